"""Runs ``tl-keras index`` and is killed at the n-th step that reaches the disk, or not at all."""

import json
import os
import signal
import sys
from pathlib import Path

from tl_keras.cli.main import main
from tl_keras.retrieval import catalogue_changes


def die_at(step):
    """kill -9 at the beginning of the n-th step; counts them where there are fewer."""
    steps = [0]

    def counted(real):
        def call(*arguments, **named):
            steps[0] += 1
            if steps[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    os.fsync = counted(os.fsync)
    json.dump = counted(json.dump)
    Path.replace = counted(Path.replace)
    return steps


if __name__ == "__main__":
    root, out, model, step = sys.argv[1:]
    catalogue_changes._AT_ONCE = 32  # several commits a run
    steps = die_at(int(step))
    code = main(["index", root, "--out", out, "--model", model])
    print(f"steps {steps[0]}")
    sys.exit(code)
