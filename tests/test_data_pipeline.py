"""The pixel pipeline: the same batches for a seed and an epoch, on any backend; clear errors."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tl_keras.data import from_folder, load_image, reading_errors, set_epoch
from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.data.py_batches import ImageBatches
from tl_keras.errors import InputError


def write_folder(root: Path, count: int = 7) -> Path:
    for c, name in enumerate(("ants", "bees")):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(100 * c + i).integers(0, 256, (20, 30, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture
def examples(tmp_path):
    return from_folder(write_folder(tmp_path / "data"), progress=False)


def of_keras(examples, **options):
    """The dataset that other backends get, here as well."""
    order_keys = ("shuffle", "seed", "drop_remainder")
    order = {key: options[key] for key in order_keys if key in options}
    size = options.get("image_size", 16)
    loader = BatchLoader(examples, size, "crop", options.get("seed", 0), options.get("augment"))
    return ImageBatches(loader, EpochOrder(len(examples), options.get("batch_size", 4), **order))


def of_backend(examples, **options):
    return examples.dataset(**{"batch_size": 4, "image_size": 16, **options})


def collect(dataset) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*((np.asarray(x), np.asarray(y)) for x, y in dataset), strict=True)
    return np.concatenate(images), np.concatenate(labels)


both = pytest.mark.parametrize("build", [of_backend, of_keras])


@both
def test_batches_are_the_table_in_order(examples, build):
    dataset = build(examples)
    sizes = [
        (np.asarray(x).shape, np.asarray(x).dtype.name, np.asarray(y).dtype.name)
        for x, y in dataset
    ]
    assert sizes == [((n, 16, 16, 3), "uint8", "int32") for n in (4, 4, 4, 2)]
    images, labels = collect(dataset)
    assert (labels == examples.labels).all()
    for image, path in zip(images, examples.paths, strict=True):
        assert (image == load_image(path, 16)).all()


@both
def test_an_epoch_is_a_function_of_seed_and_epoch(examples, build):
    def epochs(n, **options):
        dataset = build(examples, shuffle=True, augment="light", **options)
        return dataset, [collect(dataset) for _ in range(n)]

    _, first = epochs(3, seed=5)
    dataset, second = epochs(3, seed=5)
    for (images, labels), (again, labels_again) in zip(first, second, strict=True):
        assert (images == again).all() and (labels == labels_again).all()
    assert not (first[0][0] == first[1][0]).all()
    set_epoch(dataset, 1)  # a resumed run
    assert (collect(dataset)[0] == first[1][0]).all()
    assert (collect(dataset)[0] == first[2][0]).all()
    _, other = epochs(1, seed=6)
    assert not (other[0][0] == first[0][0]).all()


@both
def test_every_example_once_per_epoch(examples, build):
    dataset = build(examples, shuffle=True)
    wanted = np.sort(collect(build(examples))[0].sum(axis=(1, 2, 3), dtype=np.int64))
    for _ in range(2):
        assert (np.sort(collect(dataset)[0].sum(axis=(1, 2, 3), dtype=np.int64)) == wanted).all()


def test_epochs_are_bit_identical_in_another_process_with_other_threads(tmp_path):
    examples = from_folder(write_folder(tmp_path / "data"), progress=False)
    options = {"shuffle": True, "seed": 4, "augment": "light"}
    code = """
import hashlib, sys, numpy as np
import tl_keras.data.tf_batches, tl_keras.data.py_batches
for module in (tl_keras.data.tf_batches, tl_keras.data.py_batches):
    module.workers = lambda: int(sys.argv[2])
sys.path.insert(0, sys.argv[3])
from test_data_pipeline import collect, from_folder, of_backend, of_keras
examples = from_folder(sys.argv[1], progress=False)
for build in (of_backend, of_keras):
    dataset, total = build(examples, shuffle=True, seed=4, augment="light"), hashlib.sha256()
    for _ in range(2):
        for array in collect(dataset):
            total.update(array.tobytes())
    print(total.hexdigest())
"""
    arguments = [tmp_path / "data", 5, Path(__file__).parent]
    elsewhere = run_python(code, *arguments, PYTHONHASHSEED="7").split()
    dataset, total = of_backend(examples, **options), hashlib.sha256()
    for _ in range(2):
        for array in collect(dataset):
            total.update(array.tobytes())
    assert elsewhere == [total.hexdigest()] * 2


def test_both_ways_give_the_same_pixels(examples):
    one, other = (
        collect(build(examples, shuffle=True, seed=3, augment="light"))
        for build in (of_backend, of_keras)
    )
    assert (one[0] == other[0]).all() and (one[1] == other[1]).all()


@both
def test_drop_remainder_and_length(examples, build):
    assert len(build(examples)) == 4
    dataset = build(examples, drop_remainder=True)
    assert len(dataset) == 3 and len(collect(dataset)[1]) == 12


@both
def test_a_callable_works_on_the_batch(examples, build):
    plain, _ = collect(build(examples))
    flipped, _ = collect(build(examples, augment=lambda images: images[:, :, ::-1]))
    assert (flipped == plain[:, :, ::-1]).all()
    scaled, _ = collect(build(examples, augment=keras.layers.Rescaling(1 / 255)))
    assert scaled.dtype == np.float32 and np.abs(scaled - plain / 255).max() < 1e-5


def small_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    pixels = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(pixels))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)  # where order leaves its mark on the weights
    return model


@both
@pytest.mark.parametrize("per_epoch", [True, False])
def test_fit_sees_each_epoch_in_the_order_its_number_gives(examples, build, per_epoch):
    loader, order = BatchLoader(examples, 16), EpochOrder(len(examples), 4, shuffle=True, seed=2)

    def expected(*epochs):
        model = small_model()
        for epoch in epochs:
            for number in range(len(order)):
                model.train_on_batch(*loader(order.batch(epoch, number), epoch))
        return model.get_weights()[0]

    def fitted(first, last):
        dataset = build(examples, shuffle=True, seed=2)
        step = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: set_epoch(dataset, epoch)
        )
        set_epoch(dataset, first)
        options = {"callbacks": [step] if per_epoch else [], "verbose": 0, "shuffle": False}
        model = small_model()
        model.fit(dataset, initial_epoch=first, epochs=last, **options)
        return model.get_weights()[0]

    assert np.allclose(fitted(0, 3), expected(0, 1, 2), atol=1e-6)
    assert np.allclose(fitted(2, 4), expected(2, 3), atol=1e-6)
    assert not np.allclose(expected(2, 3), expected(3, 2), atol=1e-4)


@both
def test_a_file_that_vanishes_or_breaks_is_one_clear_error(examples, build):
    broken = Path(examples.paths[5])
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(InputError, match=r"ants.5\.png: truncated") as error, reading_errors():
        collect(build(examples))
    assert "\n" not in str(error.value)
    broken.unlink()
    with pytest.raises(InputError, match=r"ants.5\.png: no such file"), reading_errors():
        collect(build(examples))


def test_other_errors_pass_through():
    with pytest.raises(KeyError), reading_errors():
        raise KeyError("x")


def test_bad_arguments(examples):
    for options, message in [
        ({"batch_size": 0}, "batch size"),
        ({"batch_size": 2.5}, "batch size"),
        ({"image_size": 0}, "image size"),
        ({"resize": "squash"}, "resize"),
        ({"augment": "heavy"}, "none, light"),
        ({"seed": -1}, "seed"),
        ({"batch_size": 100, "drop_remainder": True}, "no batch"),
    ]:
        with pytest.raises(InputError, match=message):
            examples.dataset(**options)
    with pytest.raises(InputError, match="no batch"):
        examples.subset([]).dataset()
    with pytest.raises(InputError, match="before any"):
        set_epoch(object(), 1)


def run_python(code: str, *arguments, **environment) -> str:
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_importing_the_room_imports_nothing_heavy():
    code = (
        "import sys, tl_keras.data; print([m for m in ('keras','tensorflow','PIL','numpy')"
        " if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_reading_and_splitting_need_no_keras(tmp_path):
    write_folder(tmp_path / "data")
    code = (
        "import sys; from tl_keras.data import from_folder\n"
        "from_folder(sys.argv[1]).split(); print('keras' in sys.modules)"
    )
    assert run_python(code, tmp_path / "data").strip() == "False"


def test_another_backend_gets_a_pydataset_and_no_tensorflow(tmp_path):
    backend = next((name for name in ("jax", "torch") if importlib.util.find_spec(name)), None)
    if backend is None:
        pytest.skip("needs JAX or PyTorch: python -m pip install jax")
    write_folder(tmp_path / "data")
    code = """
import sys, json, numpy as np, keras
from tl_keras.data import from_folder
batches = from_folder(sys.argv[1]).dataset(4, 16, shuffle=True, seed=1, augment="light")
epoch = np.concatenate([x for x, y in batches])
print(json.dumps([isinstance(batches, keras.utils.PyDataset), "tensorflow" in sys.modules,
                  int(epoch.astype(int).sum())]))
"""
    output = run_python(code, tmp_path / "data", KERAS_BACKEND=backend)
    examples = from_folder(tmp_path / "data", progress=False)
    images, _ = collect(of_backend(examples, shuffle=True, seed=1, augment="light"))
    assert json.loads(output) == [True, False, int(images.astype(int).sum())]
