"""``tl-keras train --workers N --engine ray``: the same run in several processes."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError


def check_workers(options: argparse.Namespace) -> None:
    """Raise before anything is read if workers cannot be had as asked for.

    Raises:
        InputError: With the option to change.
    """
    if options.workers < 1:
        raise InputError(f"--workers is 1 or more; got {options.workers}")
    if options.workers > 1 and options.engine is None:
        raise InputError(
            f"--workers {options.workers} needs --engine ray, which starts them and starts them "
            "again when one dies"
        )
    if options.workers > 1 and options.strategy != "auto":
        raise InputError("several workers choose their devices themselves; leave --strategy out")
    if os.environ.get("TF_CONFIG"):
        raise InputError(
            "TF_CONFIG is set; tl-keras train starts workers by --workers N --engine ray, and with "
            "a TF_CONFIG of your own call tl_keras.fit in a script"
        )


def train_in_workers(options: argparse.Namespace, output: Path, folder: Path) -> dict[str, Any]:
    """Train in ``options.workers`` processes; the first of them saves the artefact.

    Args:
        options: Parsed.
        output: Folder of the result.
        folder: Of the checkpoints; seen by all machines.

    Returns:
        What ``--json`` prints, but for the time.

    Raises:
        InputError: The engine is not installed.
    """
    from tl_keras.training.ray_engine import train_with_ray

    given = {**vars(options)}
    # A worker runs in a folder of its own.
    for key in ("data", "cache", "feature_cache", "recipe", "weights"):
        if given[key] is not None and Path(given[key]).exists():
            given[key] = str(Path(given[key]).resolve())
    config = {"options": given, "output": str(output.resolve()), "folder": str(folder.resolve())}
    train_with_ray(_work, config, options.workers, folder / "engine")
    result = json.loads((folder / "result.json").read_text())
    return {**result, "artefact": str(output)}


def _work(config: dict[str, Any]) -> None:
    from tl_keras.cli import choices
    from tl_keras.cli.train import train_and_save
    from tl_keras.training.placement import choose_placement

    placement = choose_placement("multi_worker")
    options = argparse.Namespace(**config["options"])
    base = choices.base(options.backbone, options.weights, options.image_size)
    folder = Path(config["folder"])
    result = train_and_save(options, base, choices.data(options), Path(config["output"]), folder)
    if placement.chief:
        (folder / "result.json").write_text(json.dumps(result))
