"""Decoded images kept: the same batches, never a stale one, and no run lost to a cache."""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_pipeline import collect, of_keras, write_folder

from tl_keras.data import decoding, from_folder, load_image, loading, pixel_cache, pixel_stores
from tl_keras.data.loading import BatchLoader
from tl_keras.data.pixel_stores import FilePixels
from tl_keras.errors import InputError

SIDE = 16
ROW = SIDE * SIDE * 3


@pytest.fixture
def examples(tmp_path):
    return from_folder(write_folder(tmp_path / "data"), progress=False)


@pytest.fixture
def decoded(monkeypatch):
    """How many images have been decoded."""
    count = []

    def counting(*arguments):
        count.append(1)
        return load_image(*arguments)

    monkeypatch.setattr(loading, "load_image", counting)
    return count


def of_backend(examples, **options):
    return examples.dataset(4, SIDE, shuffle=True, augment="light", seed=1, **options)


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_cached_epochs_are_the_same_epochs_and_decode_nothing(examples, tmp_path, decoded, where):
    where = where if where == "memory" else tmp_path / "cache"
    plain = of_backend(examples)
    expected = [collect(plain) for _ in range(2)]
    decoded.clear()
    cached = of_backend(examples, cache=where)
    for images, labels in expected:  # augmentation comes after the cache: epochs differ
        again, labels_again = collect(cached)
        assert (again == images).all() and (again.dtype, again.shape) == (np.uint8, images.shape)
        assert (labels_again == labels).all()
    assert len(decoded) == len(examples)


def test_the_keras_dataset_uses_it_too(examples, decoded):
    loader_cache = BatchLoader(examples, SIDE, cache="memory").cache
    dataset = of_keras(examples, shuffle=True)
    dataset.loader.cache = loader_cache
    first, _ = collect(dataset)
    dataset.epoch_order.set_epoch(0)
    assert (collect(dataset)[0] == first).all() and len(decoded) == len(examples)
    assert loader_cache.complete


def test_the_next_run_reads_the_folder_whatever_the_order(examples, tmp_path, decoded):
    collect(of_backend(examples, cache=tmp_path / "cache"))
    decoded.clear()
    again = examples.subset(np.arange(len(examples))[::-1])
    images, _ = collect(again.dataset(4, SIDE, cache=tmp_path / "cache"))
    assert not decoded
    for image, path in zip(images, again.paths, strict=True):
        assert (image == load_image(path, SIDE)).all()


def test_what_changes_pixels_changes_the_file(examples, tmp_path, decoded, monkeypatch):
    folder = tmp_path / "cache"

    def run(expected_files, **options):
        decoded.clear()
        collect(examples.dataset(**{"batch_size": 4, "image_size": SIDE, **options}, cache=folder))
        assert len(list(folder.glob("*.pixels"))) == expected_files

    run(1)
    run(2, resize="pad")
    run(3, image_size=SIDE + 1)
    run(3, shuffle=True, augment="light")
    assert not decoded
    monkeypatch.setattr(pixel_cache, "DECODER", "another")
    run(4)


def test_a_file_that_changed_since_the_scan_is_never_kept(examples, tmp_path, decoded):
    path = Path(examples.paths[3])
    Image.new("RGB", (9, 9), (1, 2, 3)).save(path)
    for _ in range(2):
        cached = examples.dataset(4, SIDE, cache=tmp_path / "cache")
        assert (collect(cached)[0][3] == (1, 2, 3)).all()
    assert len(decoded) == len(examples) + 1
    rescanned = from_folder(tmp_path / "data", progress=False)
    cached = rescanned.dataset(4, SIDE, cache=tmp_path / "cache")
    assert (collect(cached)[0][rescanned.paths.index(str(path))] == (1, 2, 3)).all()


def test_torn_rows_are_decoded_again(examples, tmp_path, decoded):
    expected, _ = collect(examples.dataset(4, SIDE, cache=tmp_path / "cache"))
    (file,) = (tmp_path / "cache").glob("*.pixels")
    with file.open("r+b") as handle:
        handle.seek(2 * ROW + 50)
        handle.write(b"torn")
    decoded.clear()
    images, _ = collect(examples.dataset(4, SIDE, cache=tmp_path / "cache"))
    assert (images == expected).all() and len(decoded) == 1
    os.truncate(file, 5 * ROW)  # the checksums are gone with the rest
    decoded.clear()
    images, _ = collect(examples.dataset(4, SIDE, cache=tmp_path / "cache"))
    assert (images == expected).all() and len(decoded) == len(examples)


def test_an_interrupted_run_is_gone_on_with(examples, tmp_path, decoded):
    loader = BatchLoader(examples, SIDE, cache=tmp_path / "cache")
    loader(np.arange(6), 0)  # and no more
    assert not loader.cache.complete
    decoded.clear()
    collect(examples.dataset(4, SIDE, cache=tmp_path / "cache"))
    assert len(decoded) == len(examples) - 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_costs_the_cache_and_nothing_else(examples, tmp_path):
    expected, _ = collect(examples.dataset(4, SIDE))
    loader = BatchLoader(examples, SIDE, cache=tmp_path / "cache")
    loader.cache._store._file.close()
    loader.cache._store._file = open("/dev/full", "r+b", buffering=0)  # noqa: PTH123, SIM115
    with pytest.warns(RuntimeWarning, match=r"No space left.*going on without"):
        images, _ = loader(np.arange(len(examples)), 0)
    assert (images == expected).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        assert (loader(np.arange(len(examples)), 1)[0] == expected).all()


def test_too_small_a_disk_or_no_folder_is_a_warning(examples, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="no cache of decoded images in"):
        assert len(collect(examples.dataset(4, SIDE, cache=tmp_path / "file"))[1]) == len(examples)
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.warns(RuntimeWarning, match="GiB are free"):
        collect(examples.dataset(4, SIDE, cache=tmp_path / "cache"))


def test_old_files_make_room(examples, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    collect(examples.dataset(4, SIDE, cache=folder))
    (old,) = folder.glob("*.pixels")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: usage._replace(free=0 if old.exists() else 2**40)
    )
    collect(examples.dataset(4, SIDE + 1, cache=folder))
    assert not old.exists() and len(list(folder.glob("*.pixels"))) == 1


def test_too_little_memory_and_bad_arguments(examples, monkeypatch):
    monkeypatch.setattr(pixel_stores, "memory_bound", lambda: len(examples) * ROW)
    examples.dataset(4, SIDE, cache="memory")
    with pytest.raises(InputError, match="give cache= a folder"):
        examples.dataset(4, SIDE + 1, cache="memory")
    for wrong in (True, 5, ""):
        with pytest.raises(InputError, match="'memory', a folder, or None"):
            examples.dataset(4, SIDE, cache=wrong)


def test_equal_files_share_a_row_and_errors_name_the_file(examples, tmp_path, decoded):
    double = examples.subset([0, 0, 1])
    images, _ = BatchLoader(double, SIDE, cache="memory")(np.arange(3), 0)
    assert len(decoded) == 2 and (images[0] == images[1]).all()
    Path(examples.paths[0]).write_bytes(b"no image")
    with pytest.raises(decoding.UnreadableImageError, match=r"0\.png: not an image"):
        BatchLoader(examples, SIDE, cache=tmp_path / "cache")(np.arange(1), 0)


def test_processes_may_share_a_file(tmp_path):
    one, other = (FilePixels(tmp_path / "a.pixels", 2, 2) for _ in range(2))
    row = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    one.write(1, row)
    other.write(0, row + 1)
    third, out = FilePixels(tmp_path / "a.pixels", 2, 2), np.empty((2, 2, 3), np.uint8)
    assert third.complete and third.read(1, out) and (out == row).all()
    assert not one.complete and not one.read(0, out)  # it decodes that one itself
