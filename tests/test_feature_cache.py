"""The cache of features: memory, mapped files, a folder with a bound, disks that fail."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tl_keras.training.feature_cache import FeatureCache


@pytest.mark.parametrize("in_folder", [False, True])
def test_past_the_bound_rows_are_mapped_from_a_file(tmp_path, in_folder):
    cache = FeatureCache(tmp_path if in_folder else None, memory_bytes=1000)
    values = np.random.default_rng(0).normal(size=(100, 5)).astype("float32")
    rows = cache.fill("0" * 64, (100, 5), np.split(values, 4))
    assert isinstance(rows, np.memmap) and not rows.flags.writeable
    assert np.array_equal(rows, values) and np.array_equal(rows[[7, 3]], values[[7, 3]])
    small = cache.fill("1" * 64, (4, 5), [values[:4]])
    assert not isinstance(small, np.memmap)
    assert len(list(tmp_path.iterdir())) == 2 * in_folder


def test_an_interrupt_loses_only_the_cache(tmp_path):
    cache = FeatureCache(tmp_path)

    def interrupted():
        yield np.ones((2, 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.fill("0" * 64, (4, 3), interrupted())
    assert not list(tmp_path.iterdir()) and cache.get("0" * 64) is None
    with pytest.raises(ValueError, match="2 rows of 4"):
        cache.fill("0" * 64, (4, 3), [np.ones((2, 3))])
    assert not list(tmp_path.iterdir())
    assert cache.fill("0" * 64, (4, 3), [np.ones((4, 3))]).sum() == 12


def test_the_entries_used_longest_ago_go_first(tmp_path):
    cache = FeatureCache(tmp_path, disk_bytes=10_000)
    keys = [str(number) * 64 for number in range(4)]
    for age, key in enumerate(keys[:3]):
        cache.fill(key, (100, 8), [np.full((100, 8), age)])
        os.utime(tmp_path / f"{key}.npy", (1000 + age, 1000 + age))
    fresh = FeatureCache(tmp_path, disk_bytes=10_000)
    assert fresh.get(keys[0])[0, 0] == 0  # now the latest
    stranger = tmp_path / "thesis.npy"
    stranger.write_bytes(b"x" * 50_000)
    fresh.fill(keys[3], (100, 8), [np.zeros((100, 8))])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"thesis.npy", *(f"{keys[number]}.npy" for number in (0, 2, 3))}
    fresh.fill("4" * 64, (10_000, 8), [np.zeros((10_000, 8))])
    assert not (tmp_path / f"{'4' * 64}.npy").exists()


def test_a_disk_that_fills_up_on_the_way_costs_one_warning(tmp_path):
    # A limit on the size of files makes write() fail half-way, as a full disk does.
    code = f"""
        import resource, warnings
        from pathlib import Path
        import numpy as np
        from tl_keras.training.feature_cache import FeatureCache
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        values = np.random.default_rng(0).normal(size=(1000, 50)).astype("float32")
        for folder in (Path({str(tmp_path)!r}), None):
            cache = FeatureCache(folder, memory_bytes=0)
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                rows = cache.fill("0" * 64, (1000, 50), np.split(values, 10))
                more = cache.fill("1" * 64, (1000, 50), np.split(values, 10))
            assert np.array_equal(rows, values) and np.array_equal(more, values)
            assert len(found) == 1 and "too large" in str(found[0].message), found
        assert not list(Path({str(tmp_path)!r}).iterdir())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
