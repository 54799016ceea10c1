"""``tl-keras train --track``: where a run is written down beside its artefact."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError

EVENTS = "logs"  # folder of an artefact


def add_track(parser: argparse.ArgumentParser) -> None:
    """``--track``."""
    parser.add_argument(
        "--track",
        choices=["tensorboard", "mlflow", "wandb", "none"],
        help="write curves, settings and figures down for TensorBoard (in logs/ of the output "
        "folder; `tensorboard --logdir` on the folder above compares runs), MLflow "
        "(MLFLOW_TRACKING_URI says where) or Weights & Biases (WANDB_PROJECT, WANDB_MODE); each "
        "fold is a run of its own (default: tensorboard)",
    )


def check_track(options: argparse.Namespace) -> None:
    """Settle ``options.track`` before anything is read.

    Raises:
        InputError: What was asked for is not installed, with what to install.
    """
    try:
        asked, options.track = options.track, options.track or "tensorboard"
        tracker_for(options, Path(), Path())
    except InputError as problem:
        if asked is not None:
            raise
        print(f"No event files for TensorBoard: {problem}", file=sys.stderr)
        options.track = "none"


def tracker_for(options: argparse.Namespace, output: Path, folder: Path) -> Any:
    """The tracker that was asked for, or None.

    Args:
        options: With ``track``.
        output: Folder of the result, which names the run.
        folder: Of the checkpoints, where event files stand until there is a result.

    Raises:
        InputError: Its package is not installed.
    """
    from tl_keras.training.tracking import MLflow, TensorBoard, WandB

    if options.track == "none":
        return None
    if options.track == "tensorboard":
        return TensorBoard(folder / EVENTS)
    name = output.name
    if options.folds:  # OUTPUT.unfinished/result/fold-1
        name = f"{output.parent.parent.stem}-{name}"
    return {"mlflow": MLflow, "wandb": WandB}[options.track](name)


def keep_events(output: Path, folder: Path) -> None:
    """Move the event files into the artefact, which was written whole before."""
    if (folder / EVENTS).is_dir():
        shutil.move(folder / EVENTS, output / EVENTS)
