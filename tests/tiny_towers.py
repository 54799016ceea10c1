"""Presets of two small towers, made here and saved as KerasHub saves them; no download."""

import io
from pathlib import Path

import keras
import keras_hub
import numpy as np

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 190, 60),
    "blue": (40, 60, 220),
    "white": (235, 235, 235),
}
SIZE = 32
_TOKENS = 24


def save_clip(folder: Path, seed: int = 0, trained: bool = False) -> Path:
    """A CLIP preset of random weights, or one that knows the words of four colours."""
    keras.utils.set_random_seed(seed)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["re", *letters, *(letter + "</w>" for letter in letters), ".</w>"]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = keras_hub.models.CLIPTokenizer(
        vocabulary={token: place for place, token in enumerate(tokens)}, merges=["r e"]
    )
    converter = keras_hub.layers.CLIPImageConverter(
        image_size=(SIZE, SIZE),
        scale=[1 / (255 * 0.27), 1 / (255 * 0.26), 1 / (255 * 0.28)],
        offset=[-0.48 / 0.27, -0.46 / 0.26, -0.41 / 0.28],
        interpolation="bicubic",
    )
    preprocessor = keras_hub.models.CLIPPreprocessor(
        tokenizer, image_converter=converter, sequence_length=_TOKENS
    )
    backbone = keras_hub.models.CLIPBackbone(
        keras_hub.models.CLIPVisionEncoder(8, 32, 1, 2, 64, image_shape=(SIZE, SIZE, 3)),
        keras_hub.models.CLIPTextEncoder(
            len(tokens), 32, 32, 1, 2, 64, max_sequence_length=_TOKENS
        ),
        projection_dim=16,
    )
    if trained:
        _teach_colours(backbone, preprocessor)
    backbone.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))
    return folder


def save_siglip(folder: Path, seed: int = 0) -> Path:
    """A SigLIP preset of random weights."""
    import sentencepiece

    keras.utils.set_random_seed(seed)
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([f"a photo of a {name} tile" for name in COLOURS]),
        model_writer=proto,
        vocab_size=40,
        model_type="unigram",
        hard_vocab_limit=False,
        minloglevel=2,
        pad_id=-1,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
    )
    tokenizer = keras_hub.models.SigLIPTokenizer(proto=proto.getvalue())
    converter = keras_hub.layers.SigLIPImageConverter(
        image_size=(SIZE, SIZE), scale=1 / 127.5, offset=-1.0, crop_to_aspect_ratio=False
    )
    preprocessor = keras_hub.models.SigLIPPreprocessor(
        tokenizer, image_converter=converter, sequence_length=_TOKENS
    )
    backbone = keras_hub.models.SigLIPBackbone(
        keras_hub.models.SigLIPVisionEncoder(8, 32, 1, 2, 64, image_shape=(SIZE, SIZE, 3)),
        keras_hub.models.SigLIPTextEncoder(
            tokenizer.vocabulary_size(), 32, 32, 2, 2, 64, max_sequence_length=_TOKENS,
            projection_dim=32,
        ),
    )  # fmt: skip
    backbone.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))
    return folder


def tile(colour: str, random: np.random.Generator) -> np.ndarray:
    """A picture of this colour, uneven and noisy, uint8 (40, 40, 3)."""
    ramp = np.linspace(0.75, 1.0, 40)[:, None, None]
    pixels = np.array(COLOURS[colour]) * ramp + random.normal(0, 12, (40, 40, 3))
    return pixels.clip(0, 255).astype("uint8")


def tiles(count: int, seed: int) -> dict[str, list[np.ndarray]]:
    """As many pictures of each colour."""
    random = np.random.default_rng(seed)
    return {colour: [tile(colour, random) for _ in range(count)] for colour in COLOURS}


def _teach_colours(backbone: keras.Model, preprocessor: keras.Layer) -> None:
    """Contrastive steps on batches of one picture a colour, each with its caption."""
    steps = 40
    drawn = tiles(steps, seed=1)
    images = np.stack([drawn[colour][step] for step in range(steps) for colour in COLOURS])
    captions = [
        f"a {colour} tile" if step % 2 else colour for step in range(steps) for colour in COLOURS
    ]
    given = preprocessor({"images": images.astype("float32"), "prompts": captions})
    own = np.tile(np.arange(len(COLOURS)), steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    backbone.compile(
        keras.optimizers.Adam(5e-3),
        {"vision_logits": loss, "text_logits": loss},
        jit_compile=False,
    )
    backbone.fit(
        {key: given[key] for key in ("images", "token_ids")},
        {"vision_logits": own, "text_logits": own},
        batch_size=len(COLOURS), epochs=1, shuffle=False, verbose=0,
    )  # fmt: skip
