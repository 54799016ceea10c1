"""A command of ``tl-keras`` in a process of its own, with its log in a file and its cost measured.

The module itself is what that process runs: ``python -m tl_keras.selection.apart COST.json train
...``.  The process is in a session of its own, so that a Ctrl-C of the terminal reaches this one
alone, which ends it; and it ends by itself when this one is gone, however that went, for it reads
from a pipe that closes then.
"""

import json
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tl_keras.training.peak_memory import peak_memory


def run_apart(words: Sequence[str], log: Path, cost: Path) -> int:
    """Run a command and wait for it.

    A framework gives neither memory nor devices back before its process ends, so that what runs
    after another in the same process does so under other conditions.

    Args:
        words: Of the command, without ``tl-keras``.
        log: File that all it prints is added to.
        cost: File of :func:`cost_of`.

    Returns:
        Its exit code; negative, the number of the signal that killed it.

    Example:
        >>> run_apart(["backbones"], Path("a.log"), Path("a.json"))  # doctest: +SKIP
        0
    """
    command = [sys.executable, "-m", "tl_keras.selection.apart", str(cost), *words]
    with log.open("ab") as file:
        file.write(f"$ tl-keras {' '.join(words)}\n".encode("utf-8", "backslashreplace"))
        file.flush()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdin.close()


def cost_of(cost: Path) -> dict[str, Any]:
    """What a command took: ``seconds`` in all, ``starts``, ``peak_bytes`` (None: not known).

    Seconds and starts are sums over the times that it was started with the same file; of those
    that were killed, seconds are missing.

    Example:
        >>> cost_of(Path("nothing.json"))
        {'seconds': 0.0, 'starts': 0, 'peak_bytes': None}
    """
    try:
        return json.loads(cost.read_text())
    except (OSError, ValueError):
        return {"seconds": 0.0, "starts": 0, "peak_bytes": None}


def _main(cost: Path, words: Sequence[str]) -> None:
    began = time.perf_counter()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    taken = cost_of(cost)
    taken["starts"] += 1
    cost.write_text(json.dumps(taken))
    sys.argv = ["tl-keras", *words]
    try:
        runpy.run_module("tl_keras.cli.main", run_name="__main__", alter_sys=True)
    finally:
        taken["seconds"] = round(taken["seconds"] + time.perf_counter() - began, 3)
        taken["peak_bytes"] = max(filter(None, (taken["peak_bytes"], peak_memory())), default=None)
        cost.write_text(json.dumps(taken))


def _end_with_parent() -> None:
    # An orphan would go on writing into the folder that the next call takes over.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
