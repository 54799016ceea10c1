"""Classes named in words: towers of KerasHub's presets, made here and loaded as any other."""

import io
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras_hub", reason="needs KerasHub: pip install 'tl-keras[keras-hub]'")

import keras_hub
from tiny_towers import COLOURS, SIZE, save_clip, save_siglip, tile, tiles

import tl_keras as tl
from tl_keras.artefact.zero_shot import ZeroShot
from tl_keras.backbones.towers import open_towers
from tl_keras.builders.zero_shot import class_vectors
from tl_keras.cli.main import main
from tl_keras.errors import InputError

CAPTIONS = [f"a {colour} tile" for colour in COLOURS]


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Two of random weights."""
    folder = tmp_path_factory.mktemp("presets")
    save_clip(folder / "clip")
    save_siglip(folder / "siglip")
    return folder


@pytest.fixture(scope="module")
def clip(presets):
    return open_towers(presets / "clip")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Of a preset that knows the words of four colours."""
    return open_towers(save_clip(tmp_path_factory.mktemp("taught"), trained=True))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of twelve files a colour, that no training saw."""
    root = tmp_path_factory.mktemp("tiles")
    for colour, images in tiles(12, seed=7).items():
        (root / colour).mkdir()
        for number, pixels in enumerate(images):
            Image.fromarray(pixels).save(root / colour / f"{number:02d}.png")
    return root


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_logits_are_those_of_keras_hub(presets, name):
    model = tl.build_zero_shot(CAPTIONS, presets / name)
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype("float32")
    backbone = keras_hub.models.Backbone.from_preset(str(presets / name))
    preprocessor = keras_hub.models.CausalLMPreprocessor.from_preset(str(presets / name))
    given = preprocessor({"images": images, "prompts": CAPTIONS})
    logits = backbone({key: given[key] for key in ("images", "token_ids")})["vision_logits"]
    expected = np.asarray(keras.ops.softmax(logits))
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)


@pytest.mark.slow
def test_words_name_pictures(taught, pictures):
    files = sorted(pictures.glob("*/*.png"))
    said = tl.zero_shot(files, CAPTIONS, taught)
    assert [item.source for item in said] == [str(file) for file in files]
    truth = [f"a {file.parent.name} tile" for file in files]
    assert np.mean([item.class_name for item in said] == np.array(truth)) > 0.9
    for item in said:
        assert list(item.probabilities) == CAPTIONS
        assert item.probability == max(item.probabilities.values())
        assert abs(sum(item.probabilities.values()) - 1) < 1e-5


def test_an_ensemble_is_the_mean_of_unit_vectors(clip):
    both = clip.text_vectors(["a red tile", "red"])
    np.testing.assert_allclose(np.linalg.norm(both, axis=-1), 1, atol=1e-5)
    mean = both.mean(axis=0)
    found = class_vectors(clip, [["a red tile", "red"], ["blue"]])
    np.testing.assert_allclose(found[0], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(found[1], clip.text_vectors(["blue"])[0], atol=1e-6)


def test_templates_and_mappings_make_the_same_texts(clip):
    templates = ["a {} tile", "{}"]
    one = tl.build_zero_shot(["red", "blue"], clip, templates=templates)
    mapped = {"hot": ["a red tile", "red"], "cold": ["a blue tile", "blue"]}
    other = tl.build_zero_shot(mapped, clip)
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_zero_shot_classifier_is_an_artefact(clip, pictures, tmp_path):
    made = ZeroShot({colour: f"a {colour} tile" for colour in COLOURS}, clip)
    examples = tl.data.from_folder(pictures)
    figures = made.evaluate(examples)
    folder = made.save(tmp_path / "colours")
    opened = tl.load(folder)
    assert opened.names == tuple(COLOURS)
    assert opened.evaluate(examples)["accuracy"] == figures["accuracy"]
    file = next(pictures.glob("blue/*"))
    assert opened.predict(file) == made.predict(file)
    vectors = tl.builders.embedder_of(opened.model).predict_on_batch(np.zeros((1, SIZE, SIZE, 3)))
    assert vectors.shape == (1, 16) and np.linalg.norm(vectors) == pytest.approx(1, abs=1e-5)
    said = json.loads((folder / "model.json").read_text())
    assert said["texts"]["red"] == ["a red tile"] and said["weights"] == clip.preset
    with pytest.raises(InputError, match="already holds another run"):
        made.save(folder)


@pytest.mark.slow
def test_without_keras_hub_the_remedy_is_said(presets, tmp_path):
    folder = ZeroShot(["red", "blue"], presets / "clip").save(tmp_path / "saved")
    program = f"""
import sys
sys.modules["keras_hub"] = None  # as if it were not installed
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "keras_hub" else found(name, *more)
import tl_keras as tl
for call in (
    lambda: tl.zero_shot([], ["a", "b"], {str(presets / "clip")!r}),
    lambda: tl.load({str(folder)!r}),
):
    try:
        call()
    except tl.InputError as problem:
        print(problem)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    lines = result.stdout.strip().splitlines()
    assert len(lines) == 2, result.stderr
    assert all("pip install 'tl-keras[keras-hub]'" in line for line in lines)


@pytest.mark.slow
def test_a_probe_starts_from_the_words(taught, pictures):
    """Words that say little of the data: training begins there and mends them."""
    examples = tl.data.from_folder(pictures)
    train, val = examples.split(0.5, seed=0)
    model = tl.build_zero_shot(dict(zip(examples.class_names, "wxyz", strict=True)), taught)
    images, labels = next(iter(val.dataset(len(val), SIZE)))
    before = (model.predict(images, verbose=0).argmax(-1) == np.asarray(labels)).mean()
    tower = [weight.copy() for weight in model.get_layer("image_tower").get_weights()]
    run = tl.fit(model, train, val, recipe="feature_extraction", verbose=False)
    assert before < 0.7
    assert run.metrics["accuracy"]["value"] > 0.9
    for old, new in zip(tower, model.get_layer("image_tower").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("prompts", "templates", "words"),
    [
        (["one"], "plain", "give two or more"),
        ([], "plain", "give two or more"),
        ("ab", "plain", "no list"),
        (["a", "a"], "plain", "given twice"),
        (["a", " "], "plain", "is no prompt"),
        (["a", 3], "plain", "is no prompt"),
        ({"x": [], "y": "b"}, "plain", "has no prompt"),
        ({"x": "same", "y": ["b", "same"]}, "plain", "stands for both"),
        (["a", "b"], "poster", "is unknown"),
        (["a", "b"], ["no place"], "has not one place"),
        (["a", "b"], ["{} and {}"], "has not one place"),
        (["a", "b"], ["{name}"], "has not one place"),
        (["a", "b"], ["{"], "has not one place"),
        (["a", "b"], [], "no templates"),
        (["a", "b" * 60], "plain", "reads 24 tokens"),
    ],
)
def test_bad_prompts_are_named(clip, prompts, templates, words):
    with pytest.raises(InputError, match=words):
        tl.build_zero_shot(prompts, clip, templates=templates)


def test_a_text_of_just_the_length_is_read(clip):
    assert clip.text_vectors(["b" * 22]).shape == (1, 16)
    with pytest.raises(InputError, match="reads 24 tokens"):
        clip.text_vectors(["a", "b" * 23])


def test_presets_that_cannot_be_used(presets, tmp_path):
    with pytest.raises(InputError, match=r"no preset \(config.json is missing\)"):
        open_towers(tmp_path)
    with pytest.raises(InputError, match="give such as clip_vit_base_patch32"):
        open_towers("clip_vit_base_patch33")
    with pytest.raises(InputError, match="has no text tower"):
        open_towers("resnet_50_imagenet")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        open_towers(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.weights.h5", "cannot be loaded"),
        ("preprocessor.json", "cannot be loaded"),
        ("assets/tokenizer/vocabulary.json", "cannot be loaded"),
        ("image_converter.json", None),
        ("tokenizer.json", None),
    ],
)
def test_a_damaged_preset_is_one_line(presets, tmp_path, name, words):
    folder = tmp_path / "preset"
    shutil.copytree(presets / "clip", folder)
    (folder / name).write_bytes(b"no such thing")
    if words is None:  # preprocessor.json holds it, too
        assert open_towers(folder).resize == "crop"
        return
    with pytest.raises(InputError, match=words) as caught:
        open_towers(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_named_like_a_preset_is_that_folder(presets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(presets / "clip", "clip_vit_base_patch32")
    assert open_towers("clip_vit_base_patch32").image.input_shape == (None, SIZE, SIZE, 3)


def test_another_model_is_no_pair_of_towers(tmp_path):
    encoder = keras_hub.models.CLIPVisionEncoder(8, 16, 1, 2, 16, image_shape=(SIZE, SIZE, 3))
    encoder.save_to_preset(str(tmp_path))
    with pytest.raises(InputError, match="CLIPVisionEncoder, which has not an image and a text"):
        open_towers(tmp_path)


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Nothing answers, and the hubs' caches are empty."""
    for name in ("KAGGLEHUB_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_a_preset_by_name_comes_from_the_hub_s_cache(presets, no_network):
    """What was fetched once opens by its name, without a network."""
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    name = "clip_vit_base_patch16"
    where = keras_hub.models.CLIPBackbone.presets[name]["kaggle_handle"]
    handle, cache = parse_model_handle(where.removeprefix("kaggle://")), Cache()
    shutil.copytree(presets / "clip", cache.get_path(handle))
    for file in (presets / "clip").rglob("*.*"):
        cache.mark_as_complete(handle, str(file.relative_to(presets / "clip")))
    assert open_towers(name).text_vectors(["red"]).shape == (1, 16)


def test_an_unreachable_hub_is_one_line(no_network):
    with pytest.raises(InputError, match="connect to a network") as caught:
        open_towers("clip_vit_base_patch32")
    assert "save_to_preset" in str(caught.value) and "\n" not in str(caught.value)


def test_a_tile_is_seen_from_any_source(clip):
    made = ZeroShot(CAPTIONS, clip)
    pixels = tile("red", np.random.default_rng(3))
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    array, data = made.predict([pixels, encoded.getvalue()])
    assert array.probabilities == pytest.approx(data.probabilities, abs=1e-6)
    with pytest.raises(InputError, match="nothing to predict"):
        made.predict([])
    with pytest.raises(InputError, match="no/such"):
        made.predict("no/such.png")


def test_the_command_names_images(presets, clip, pictures, capsys, tmp_path):
    files = [str(pictures / colour / "00.png") for colour in ("red", "blue")]
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    prompts = ["--prompts", "warm=a red tile", "warm=red", "cold=a blue tile"]
    output = tmp_path / "made"
    command = ["zero-shot", *files, str(bad), *prompts, "--model", str(presets / "clip")]
    assert main([*command, "--json", "--output", str(output)]) == 2
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    texts = {"warm": ["a red tile", "red"], "cold": ["a blue tile"]}
    expected = tl.zero_shot(files, texts, clip)
    for ours, theirs in zip(said["predictions"], expected, strict=True):
        assert ours["source"] == theirs.source and ours["class_name"] == theirs.class_name
        assert ours["probabilities"] == pytest.approx(theirs.probabilities, abs=1e-6)
    assert said["skipped"][0]["path"] == str(bad) and "cannot read" in captured.err
    assert json.loads((output / "model.json").read_text())["texts"] == texts


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x.png"], "no prompts"),
        (["--prompts", "a", "b"], "nothing to do"),
        (["x.png", "--prompts", "a"], "give two or more"),
        (["x.png", "--prompts", "a", "a"], "given twice"),
        (["x.png", "--prompts", "a", "b", "--templates", "poster"], "is unknown"),
        (["x.png", "--prompts", "a", "b", "--templates", "a {}", "none"], "has not one place"),
        (["x.png", "--prompts", "a", "b", "--model", "clipp"], "give such as"),
        (["x.png", "--prompts", "a", "b", "--top", "0"], "--top is 1 or more"),
        (["--train", "photos"], "say with --output"),
        (["x.png", "--train", "photos", "--output", "made"], "two commands"),
        (["--prompts", "a=", "b", "--output", "made"], "is no prompt"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["zero-shot", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and words in captured.err.strip().splitlines()[-1]
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_the_command_trains_a_probe(taught, pictures, capsys, tmp_path):
    output = tmp_path / "probe"
    command = ["zero-shot", "--train", str(pictures), "--model", taught.preset]
    with_words = [*command, "--prompts", "red=w", "blue=x", "green=y", "white=z"]
    assert main([*with_words, "--output", str(output), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["accuracy"]["val"]["value"] > max(0.8, said["texts_alone"]["val"]["value"])
    opened = tl.load(output)
    assert opened.names == ("blue", "green", "red", "white")
    assert opened.description["texts"]["red"] == ["w"]
    assert (output / "report.html").exists()
    assert main([*command, "--prompts", "purple=w", "--output", str(tmp_path / "other")]) == 2
    assert "names purple" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_exported_needs_no_keras_hub(clip, tmp_path):
    folder = ZeroShot(CAPTIONS, clip).save(tmp_path / "made")
    said = tl.export_model(folder, tmp_path / "out", ["savedmodel", "litert", "onnx"])
    assert set(said["files"]) == {"savedmodel", "litert", "onnx"}
    assert said["class_names"] == CAPTIONS
