"""An image tower and a text tower that were trained together: CLIP, SigLIP, MetaCLIP 2.

KerasHub builds and loads them (https://keras.io/keras_hub/presets/); it is imported here alone,
and only when a preset is opened.
"""

import contextlib
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.errors import InputError

#: Names the image tower in every model, whatever the preset is called.
TOWER = "image_tower"

_FAMILIES = ("CLIPBackbone", "SigLIPBackbone", "MetaCLIP2Backbone")
_BATCH = 32


@dataclass(frozen=True)
class Towers:
    """The two towers of a preset; vectors of an image and of what it shows have a high cosine.

    Attributes:
        preset: What was opened.
        image: Preprocessed images (batch, S, S, 3) to a map of one pixel, (batch, 1, 1, D): its
            channels are the image's vector, of any length.  Named ``TOWER``, so that it stands in
            a model where a base stands.
        scale: Pixels 0..255 times this, one number or one a channel, plus :attr:`offset`, is what
            the image tower takes.
        offset: See there.
        resize: How the preset makes images square: ``"crop"``, ``"pad"`` or ``"stretch"``.
        sharpness: Cosines times this number, learned with the towers, are logits.
        text: The text tower, token ids (batch, T) to vectors (batch, D).
        preprocessor: From texts to token ids.
    """

    preset: str
    image: keras.Model
    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...]
    resize: str
    sharpness: float
    text: keras.Model
    preprocessor: Any

    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts.

        Args:
            texts: One or more.

        Returns:
            float32 (texts, D), each row of length 1.

        Raises:
            InputError: A text is longer than the text tower can read.

        Example:
            >>> towers = open_towers("clip_vit_base_patch32")  # doctest: +SKIP
            >>> towers.text_vectors(["a photo of a dog."]).shape  # doctest: +SKIP
            (1, 512)
        """
        length = self.preprocessor.sequence_length
        # With room for one more token: what fills it was longer than what the tower reads.
        _, taken = self._tokens(texts, length + 1)
        long = [text for text, kept in zip(texts, taken, strict=True) if kept.all()]
        if long:
            raise InputError(
                f"{self.preset} reads {length} tokens, which this text exceeds: {long[0]!r}; "
                "shorten it"
            )
        tokens, _ = self._tokens(texts, length)
        vectors = np.asarray(self.text.predict(tokens, batch_size=_BATCH, verbose=0), "float64")
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        return (vectors / np.maximum(lengths, 1e-12)).astype("float32")

    def _tokens(self, texts: Sequence[str], length: int) -> tuple[np.ndarray, np.ndarray]:
        made = self.preprocessor({"images": None, "prompts": list(texts)}, sequence_length=length)
        return tuple(keras.ops.convert_to_numpy(made[key]) for key in ("token_ids", "padding_mask"))


def open_towers(preset: str | Path) -> Towers:
    """Load a preset of KerasHub that has an image and a text tower.

    Args:
        preset: A name of KerasHub's (``clip_vit_base_patch32``, ``siglip_base_patch16_224`` …),
            which is fetched from its hub on first use; a handle such as ``hf://…`` or
            ``kaggle://…``; or a folder that holds the preset.

    Returns:
        The towers.

    Raises:
        InputError: KerasHub is not installed, there is no such preset, it cannot be fetched or
            read, or it has not both towers.

    Example:
        >>> open_towers("presets/clip").resize  # doctest: +SKIP
        'crop'
    """
    hub = _keras_hub()
    preset = str(preset)
    _check_name(hub, preset)
    # KerasHub would take a folder that is named like one of its presets for that preset.
    place = str(Path(preset).resolve()) if Path(preset).is_dir() else preset
    # What hubs print while they fetch must not end up among results.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            backbone = hub.models.Backbone.from_preset(place)
            _check_towers(backbone, preset)
            preprocessor = hub.models.CausalLMPreprocessor.from_preset(place)
        except InputError:
            raise
        # Loaders of KerasHub, Keras, h5py and two hubs fail in as many ways.
        except Exception as problem:
            raise _explained(preset, problem) from problem
    converter = preprocessor.image_converter
    if converter is None:
        raise InputError(
            f"{preset} does not say how pixels are scaled (image_converter.json); save it again "
            "with the image converter of its preprocessor"
        )
    preprocessor.image_converter = None  # Pixels take the way of every other model here.
    head = _head(backbone)
    sharpness = float(np.exp(keras.ops.convert_to_numpy(head.logit_scale)))
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    return Towers(
        preset=preset,
        image=_image_tower(backbone),
        scale=_numbers(converter.scale, 1.0),
        offset=_numbers(converter.offset, 0.0),
        resize=_resize(converter),
        sharpness=sharpness,
        text=keras.Model(ids, backbone.get_text_embeddings(ids), name="text_tower"),
        preprocessor=preprocessor,
    )


def _keras_hub() -> Any:
    try:
        import keras_hub
    except ImportError as problem:
        raise InputError(
            f"towers of images and texts come from KerasHub, which cannot be imported ({problem}); "
            "install it: pip install 'tl-keras[keras-hub]'"
        ) from problem
    return keras_hub


def _check_name(hub: Any, preset: str) -> None:
    """Find out whether it can be a preset with two towers, before anything is fetched."""
    if "://" in preset:
        return
    if Path(preset).is_dir():
        if not (Path(preset) / "config.json").is_file():
            raise InputError(
                f"{preset} holds no preset (config.json is missing); give a folder that KerasHub's "
                "save_to_preset wrote"
            )
        return
    named = sorted(
        {
            name
            for family in _FAMILIES
            if hasattr(hub.models, family)
            for name in getattr(hub.models, family).presets
        }
    )
    if preset in named:
        return
    near = difflib.get_close_matches(preset.lower().replace("-", "_"), named, n=3, cutoff=0.5)
    near = near or ["clip_vit_base_patch32", "siglip_base_patch16_224"]
    what = (
        "has no text tower"
        if preset in hub.models.Backbone.presets
        else "is neither a folder nor a preset with an image and a text tower"
    )
    raise InputError(
        f"{preset!r} {what}; give such as {', '.join(near)} (keras.io/keras_hub/presets), or a "
        "folder"
    )


def _check_towers(backbone: keras.Model, preset: str) -> None:
    inputs = backbone.input if isinstance(backbone.input, dict) else {}
    images = inputs.get("images")
    if (
        not all(hasattr(backbone, f"get_{kind}_embeddings") for kind in ("vision", "text"))
        or images is None
        or len(images.shape) != 4
        or _head(backbone) is None
    ):
        raise InputError(
            f"{preset} is {type(backbone).__name__}, which has not an image and a text tower; give "
            f"a preset of {', '.join(_FAMILIES)}"
        )


def _head(backbone: keras.Model) -> keras.Layer | None:
    """The layer that compares the towers' vectors."""
    return next((layer for layer in backbone.layers if hasattr(layer, "logit_scale")), None)


def _image_tower(backbone: keras.Model) -> keras.Model:
    """The image tower in layers of its own: those of the backbone keep the text tower alive."""
    image = keras.Input(backbone.input["images"].shape[1:], name="image")
    vectors = backbone.get_vision_embeddings(image)
    pixel = keras.layers.Reshape((1, 1, vectors.shape[-1]), name="pixel")
    shared = keras.Model(image, pixel(vectors), name=TOWER)
    tower = keras.models.clone_model(shared)
    tower.set_weights(shared.get_weights())
    return tower


def _numbers(value: Any, usual: float) -> float | tuple[float, ...]:
    """One number, or one a channel."""
    if value is None:
        return usual
    found = np.ravel(value).astype(float).tolist()
    return found[0] if len(found) == 1 else tuple(found)


def _resize(converter: Any) -> str:
    if converter.crop_to_aspect_ratio:
        return "crop"
    return "pad" if converter.pad_to_aspect_ratio else "stretch"


def _explained(preset: str, problem: Exception) -> InputError:
    said = str(problem).strip()
    reason = said.splitlines()[0][:200] if said else type(problem).__name__
    if Path(preset).is_dir():
        return InputError(
            f"the preset in {preset} cannot be loaded ({reason}); copy it again, or save it again "
            "with save_to_preset of both backbone and preprocessor"
        )
    return InputError(
        f"the preset {preset} cannot be had ({reason}); connect to a network that reaches its hub, "
        "or save it elsewhere with KerasHub's save_to_preset (backbone and preprocessor) and give "
        "the folder"
    )
