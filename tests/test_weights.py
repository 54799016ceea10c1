"""Weights: Keras' own loader and cache, files, and one-line errors with the remedy.

Keras reads KERAS_HOME when it is imported, so what concerns its cache runs in a process of its own.
"""

import hashlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tl_keras.backbones.base import build_backbone
from tl_keras.errors import InputError

ROOT = Path(__file__).parents[1]


def python(code, home):
    """Run code with this Keras cache and a network that refuses every connection."""
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}
    env = {**os.environ, **nowhere, "no_proxy": "", "KERAS_HOME": str(home)}
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, env=env, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


def arrays(base):
    return [np.asarray(weight) for weight in base.weights]


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_imagenet_weights_are_those_of_keras_own_loader(imagenet_home):
    python(
        """
        import keras, numpy as np, tl_keras as tl
        A = keras.applications
        for name, function, size, arguments in (
            ("mobilenet_v2_035", A.MobileNetV2, 224, {"alpha": 0.35}),
            ("mobilenet_v2_035", A.MobileNetV2, 128, {"alpha": 0.35}),
            ("mobilenet_v2", A.MobileNetV2, 224, {}),
            ("mobilenet_025", A.MobileNet, 224, {"alpha": 0.25}),
            ("mobilenet_050", A.MobileNet, 224, {"alpha": 0.5}),
        ):
            theirs = function(input_shape=(size, size, 3), include_top=False, **arguments)
            ours = tl.build_backbone(name, None if size == 224 else size)
            assert ours.name == name and ours.input_shape[1] == size
            assert len(ours.weights) == len(theirs.weights)
            for a, b in zip(ours.weights, theirs.weights, strict=True):
                np.testing.assert_array_equal(a, b)
        other = tl.build_backbone("mobilenet_v2_035", 224).get_weights()
        at_128 = tl.build_backbone("mobilenet_v2_035", 128).get_weights()
        assert any((a != b).any() for a, b in zip(other, at_128, strict=True))
        # A size without a file of its own takes that of 224.
        at_100 = tl.build_backbone("mobilenet_v2_035", 100).get_weights()
        assert all((a == b).all() for a, b in zip(other, at_100, strict=True))
        """,
        imagenet_home,
    )


def test_without_network_the_error_names_file_place_and_remedies(imagenet_home):
    damaged = imagenet_home / "models" / "mobilenet_2_5_128_tf_no_top.h5"
    damaged.write_bytes(b"no HDF5")
    out = python(
        """
        import tl_keras as tl
        for name, size in (
            ("mobilenet_v2", 160), ("nasnet_mobile", None), ("convnext_tiny", 64),
            ("mobilenet_025", 128),
        ):
            try:
                tl.build_backbone(name, size)
            except tl.InputError as error:
                print(error)
        """,
        imagenet_home,
    )
    mobile, nasnet, convnext, broken = out.splitlines()
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_160_no_top.h5"
    assert f"put the file {file} at {imagenet_home / 'models' / file}" in mobile
    assert "https://storage.googleapis.com/" in mobile
    assert "weights='bundled'" in mobile
    assert "use image_size=224, whose file is there" in mobile
    assert str(imagenet_home / "models" / "nasnet_mobile_no_top.h5") in nasnet
    assert "image_size" not in nasnet
    assert str(imagenet_home / "models" / "convnext_tiny_notop.h5") in convnext
    assert f"{damaged} cannot be read" in broken and "delete the file" in broken


@pytest.mark.slow
def test_a_silent_network_is_given_up_soon(tmp_path):
    began = time.monotonic()
    out = python(
        """
        import os, socket, threading
        server = socket.create_server(("127.0.0.1", 0))  # accepts and never answers
        for kind in ("http_proxy", "https_proxy"):
            os.environ[kind] = f"http://127.0.0.1:{server.getsockname()[1]}"
        import tl_keras as tl
        from tl_keras.backbones import weights
        weights._PATIENCE = 1.0
        try:
            tl.build_backbone("mobilenet_v2_035", 96)
        except tl.InputError as error:
            print(error)
        assert socket.getdefaulttimeout() is None
        """,
        tmp_path,
    )
    assert "timed out" in out
    assert time.monotonic() - began < 100


def published(model, path):
    """Write a file in the form in which keras.applications publishes weights."""
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
    return path


PUBLISHED = """
    import sys, importlib, keras, tl_keras as tl
    import numpy as np
    module, key, digest, name, size, reference = sys.argv[1:]
    hashes = importlib.import_module("keras.src.applications." + module).WEIGHTS_HASHES
    hashes[key] = (hashes[key][0], digest)
    try:
        base = tl.build_backbone(name, int(size))
    except tl.InputError as error:
        print(error)
    else:
        expected = np.load(reference)
        images = expected["images"]
        image = keras.Input(images.shape[1:])
        from tl_keras.backbones.preprocessing import apply_preprocessing
        from tl_keras.backbones.registry import get_backbone
        model = keras.Model(image, base(apply_preprocessing(get_backbone(name), image)))
        out = np.asarray(model(images))
        np.testing.assert_allclose(out, expected["out"], rtol=1e-3, atol=1e-3)
        print("same")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "module", "key", "file", "name"),
    [
        ("EfficientNetB0", "efficientnet", "b0", "efficientnetb0_notop.h5", "efficientnet_b0"),
        (
            "EfficientNetV2B0", "efficientnet_v2", "b0", "efficientnetv2-b0_notop.h5",
            "efficientnet_v2_b0",
        ),
        (
            "ConvNeXtTiny", "convnext", "convnext_tiny", "convnext_tiny_notop.h5", "convnext_tiny",
        ),
    ],
)  # fmt: skip
def test_families_that_preprocess_inside_compute_the_same_from_a_published_file(
    function, module, key, file, name, tmp_path
):
    """The whole way, with files of random weights in the published form in Keras' cache."""
    size = 64
    keras.utils.set_random_seed(1)
    build = getattr(keras.applications, function)
    theirs = build(include_top=False, weights=None, input_shape=(size, size, 3))
    deviation = np.array([0.229, 0.224, 0.225], "float32")
    if name == "efficientnet_b0":
        norm = next(x for x in theirs.layers if isinstance(x, keras.layers.Normalization))
        norm.set_weights([np.array([0.485, 0.456, 0.406], "float32"), deviation, np.array(0)])
        norm.finalize_state()
    (tmp_path / "models").mkdir()
    path = published(theirs, tmp_path / "models" / file)
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("float32")
    if name == "efficientnet_b0":
        # With weights="imagenet" Keras puts one more division behind the Normalization.
        theirs = keras.Model(norm.output, theirs.output)
        expected = theirs((images / 255 - [0.485, 0.456, 0.406]) / deviation)
    else:
        expected = theirs(images)
    np.savez(tmp_path / "reference.npz", images=images, out=np.asarray(expected))

    digest = hashlib.md5(path.read_bytes()).hexdigest()
    arguments = [module, key, digest, name, str(size), str(tmp_path / "reference.npz")]
    code = textwrap.dedent(PUBLISHED).replace("sys.argv[1:]", repr(arguments))
    assert python(code, tmp_path) == "same\n"

    if name == "efficientnet_b0":  # weights made for another normalisation are not taken
        norm.set_weights([np.zeros(3), np.ones(3), np.array(0)])
        theirs = build(include_top=False, weights=None, input_shape=(size, size, 3))
        digest = hashlib.md5(published(theirs, path).read_bytes()).hexdigest()
        arguments[2] = digest
        code = textwrap.dedent(PUBLISHED).replace("sys.argv[1:]", repr(arguments))
        assert "expect preprocessing other than 'torch'" in python(code, tmp_path)


@pytest.mark.parametrize(
    "name", ["mobilenet_025", pytest.param("efficientnet_b0", marks=pytest.mark.slow)]
)
def test_weights_from_files(name, tmp_path):
    source = build_backbone(name, 32, weights=None)
    source.save_weights(tmp_path / "a.weights.h5")
    source.save(tmp_path / "base.keras")
    image = keras.Input((32, 32, 3))
    keras.Model(image, source(image), name="whole").save(tmp_path / "whole.keras")
    np.savez(tmp_path / "a.npz", *source.get_weights())
    for file in ("a.weights.h5", "base.keras", "whole.keras", "a.npz"):
        assert_same(build_backbone(name, 32, weights=str(tmp_path / file)), source)


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [("MobileNet", {"alpha": 0.25}, "mobilenet_025"), ("EfficientNetB0", {}, "efficientnet_b0")],
)
def test_a_published_file_given_by_path(function, arguments, name, tmp_path):
    build = getattr(keras.applications, function)
    theirs = build(include_top=False, weights=None, input_shape=(32, 32, 3), **arguments)
    path = published(theirs, tmp_path / "any_name.h5")
    ours = build_backbone(name, 32, weights=path)
    inside = (keras.layers.Normalization,)
    expected = [w for x in theirs.layers if not isinstance(x, inside) for w in x.get_weights()]
    for a, b in zip(arrays(ours), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_that_cannot_be_used(tmp_path):
    other = build_backbone("mobilenet_050", 32, weights=None)
    other.save(tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    np.savez(tmp_path / "other.npz", *other.get_weights())
    (tmp_path / "broken.keras").write_bytes(b"PK")
    (tmp_path / "broken.h5").write_bytes(b"")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    np.savez(tmp_path / "pickled.npz", arr_0=np.array([{}], dtype=object))
    (tmp_path / "weights.txt").write_text("1 2 3")
    for file in tmp_path.iterdir():
        with pytest.raises(InputError, match="; give ") as caught:
            build_backbone("mobilenet_025", 32, weights=str(file))
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_weights_that_are_none():
    keras.utils.set_random_seed(3)
    one = build_backbone("mobilenet_025", 32, weights=None)
    keras.utils.set_random_seed(3)
    assert_same(build_backbone("mobilenet_025", 32, weights="none"), one)


def test_bundled_weights_come_at_the_size_they_were_made_for():
    from tl_keras.backbones.bundled import bundled_backbones, load_bundled

    for name, entry in bundled_backbones().items():
        base = build_backbone(name, weights="bundled")
        assert base.input_shape[1] == entry["image_size"]
        other = build_backbone(name, 64, weights=None)
        load_bundled(other, name)
        assert_same(base, other)
