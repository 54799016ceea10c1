"""The files of an index: writers killed at every step, readers beside a writer, leftovers."""

import signal
from pathlib import Path

import numpy as np
import pytest
from processes import finish, start
from vector_writer import DIMENSION, ITEMS, vectors_of

from tl_keras.retrieval import VectorIndex, segment
from tl_keras.retrieval.index_folder import read_version

WRITER = Path(__file__).with_name("vector_writer.py")
IDS = [str(n) for n in range(ITEMS)]


def made(folder, round_number=0):
    index = VectorIndex.create(folder, DIMENSION, "model")
    index.add(IDS, vectors_of(IDS), [{"round": round_number}] * ITEMS)
    return index


def contents(folder):
    """All that an index answers with."""
    index = VectorIndex(folder, "model")
    ids = sorted(index.ids())
    hits = index.search(np.ones(DIMENSION), k=10 * ITEMS)
    assert sorted(hit.id for hit in hits) == ids
    units = vectors_of(ids) / np.linalg.norm(vectors_of(ids), axis=1, keepdims=True)
    np.testing.assert_allclose(index.vectors(ids), units, atol=1e-6)
    return {hit.id: hit.metadata["round"] for hit in hits}


BEFORE = dict.fromkeys(IDS, 0)
AFTER = {
    "add": BEFORE | {str(n): 1 for n in range(ITEMS, 2 * ITEMS)},
    "delete": {one: 0 for one in IDS if int(one) >= 5},
    "update": BEFORE | {str(n): 7 for n in range(5)},
}


@pytest.mark.parametrize("verb", list(AFTER))
def test_a_writer_killed_at_any_step_leaves_the_old_index_or_the_new(tmp_path, verb):
    killed, done, step = 0, False, 0
    while not done:
        # As many steps as there are, four processes at a time.
        steps = range(step + 1, step + 5)
        folders = [tmp_path / f"{verb} {n}" for n in steps]
        for folder in folders:
            made(folder)
        writers = [
            start(WRITER, "change", folder, verb, n)
            for folder, n in zip(folders, steps, strict=True)
        ]
        for writer, folder in zip(writers, folders, strict=True):
            output, _ = writer.communicate(timeout=120)
            assert writer.returncode in (0, -signal.SIGKILL), output[-2000:]
            found = contents(folder)
            if writer.returncode == 0:
                assert found == AFTER[verb]
                done = True
            else:
                killed += 1
                assert found in (BEFORE, AFTER[verb])
            # The next writer is not troubled by what lies about, and removes it.
            VectorIndex(folder, "model").delete(["29"])
            assert contents(folder) == {one: n for one, n in found.items() if one != "29"}
            counted = {part.name: part.deleted for part in read_version(folder).segments}
            assert {file.name for file in folder.glob("segment-*")} == set(counted)
            files = {file.parent.name: file.name for file in folder.rglob("deleted-*")}
            assert files == {name: file for name, file in counted.items() if file}
        step += 4
    assert killed >= 4


def test_readers_see_whole_versions_while_one_writes(tmp_path):
    index = made(tmp_path / "index")
    readers = [start(WRITER, "read", tmp_path / "index") for _ in range(2)]
    for reader in readers:
        assert reader.stdout.readline() == "ready\n"
    for number in range(1, 41):
        index.update(IDS, metadata=[{"round": number}] * ITEMS)
    for output in finish(readers):
        assert int(output.split()[-1]) >= 2


def test_segments_stay_few_and_deletion_does_not_copy(tmp_path):
    index = VectorIndex.create(tmp_path / "index", DIMENSION, "model")
    most = 0
    for number in range(70):
        index.add([str(number)], vectors_of([number]))
        most = max(most, len(read_version(tmp_path / "index").segments))
    assert most <= 6
    assert index.count() == 70
    large = max((tmp_path / "index").glob("segment-*/vectors.npy"), key=lambda f: f.stat().st_size)
    before = large.stat()
    index.delete(["0"])
    assert large.stat().st_ino == before.st_ino
    index.delete([str(n) for n in range(1, 60)])
    assert not large.exists()  # most of it was dead
    assert sorted(map(int, index.ids())) == list(range(60, 70))
    index.delete(index.ids())
    assert index.count() == 0
    assert index.search(np.ones(DIMENSION), k=3) == []
    assert not list((tmp_path / "index").glob("segment-*"))


def test_vectors_are_mapped_and_shared(tmp_path):
    index = VectorIndex.create(tmp_path / "index", 64, "model")
    rng = np.random.default_rng(0)
    index.add([str(n) for n in range(5000)], rng.normal(size=(5000, 64)))
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc/self/maps to see what is mapped (Linux)")
    (file,) = (tmp_path / "index").glob("segment-*/vectors.npy")
    index.search(np.ones(64))
    lines = [line for line in maps.read_text().splitlines() if line.endswith(str(file))]
    assert lines and all(" r--s " in line for line in lines)


def test_a_full_disk_is_named_and_nothing_changes(tmp_path):
    made(tmp_path / "index")
    (output,) = finish([start(WRITER, "fill", tmp_path / "index")])
    assert "cannot be written (File too large); it is as it was" in output
    assert contents(tmp_path / "index") == BEFORE


def test_two_writers_in_turn(tmp_path):
    one = made(tmp_path / "index")
    two = VectorIndex(tmp_path / "index", "model")
    two.add(["100"], vectors_of(["100"]))
    one.add(["101"], vectors_of(["101"]))
    two.delete(["101", "0"])
    assert one.count() == two.count() == ITEMS


def test_killed_while_it_builds_cells(tmp_path, monkeypatch):
    pytest.importorskip("faiss", reason="needs faiss (pip install 'tl-keras[search]')")
    monkeypatch.setattr(segment, "EXACT_UP_TO", 10)
    index = made(tmp_path / "index")

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(segment, "sync_folder", die)
    with pytest.raises(KeyboardInterrupt):
        index.add(["90"], vectors_of(["90"]))
    monkeypatch.undo()
    assert contents(tmp_path / "index") == BEFORE
    index.add(["90"], vectors_of(["90"]), [{"round": 0}])
    assert contents(tmp_path / "index") == BEFORE | {"90": 0}
