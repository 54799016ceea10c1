"""Changes an index, or reads it, in a process of its own: see test_vector_files.py."""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval import VectorIndex

ITEMS = 30
DIMENSION = 4


def vectors_of(ids):
    return np.stack([np.random.default_rng(int(one)).normal(size=DIMENSION) for one in ids])


def die_at(step):
    """kill -9 at the beginning of the n-th step that reaches the disk."""
    left = [step]

    def counted(real):
        def call(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    os.fsync = counted(os.fsync)
    json.dump = counted(json.dump)
    Path.replace = counted(Path.replace)


def change(folder, verb, step):
    index = VectorIndex(folder, "model")
    die_at(int(step))
    if verb == "add":
        ids = [str(n) for n in range(ITEMS, 2 * ITEMS)]
        index.add(ids, vectors_of(ids), [{"round": 1}] * ITEMS)
    elif verb == "delete":
        index.delete([str(n) for n in range(5)])
    else:
        index.update([str(n) for n in range(5)], metadata=[{"round": 7}] * 5)


def fill(folder):
    """Writes to a disk that is full from the hundredth byte of a file on."""
    index = VectorIndex(folder, "model")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        index.add(["90"], vectors_of(["90"]), [{"round": 1}])
    except InputError as error:
        print(error)


def read(folder):
    """Until the last round: every search must see one round of all items, never two."""
    index = VectorIndex(folder, "model")
    rounds = []
    print("ready", flush=True)
    while not rounds or rounds[-1] < 40:
        hits = index.search(np.ones(DIMENSION), k=2 * ITEMS)
        assert len({hit.id for hit in hits}) == len(hits) == ITEMS, len(hits)
        (seen,) = {hit.metadata["round"] for hit in hits}
        assert not rounds or seen >= rounds[-1]
        rounds.append(seen)
    print(len(set(rounds)))


if __name__ == "__main__":
    {"change": change, "fill": fill, "read": read}[sys.argv[1]](*sys.argv[2:])
