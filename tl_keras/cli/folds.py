"""``tl-keras train --folds K``: cross-validation, a fresh process for each fold."""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.fold_summary import finish
from tl_keras.cli.options import messages
from tl_keras.cli.resuming import settings_of, unfinished_run
from tl_keras.errors import InputError
from tl_keras.tasks.kinds import AVERAGED


def add_folds(parser: argparse.ArgumentParser) -> None:
    """Options of cross-validation."""
    parser.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="cross-validate: train K times, each time validating on another K-th of the images, "
        "and report mean and spread; the same command goes on after an interruption",
    )
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="R", help="deal the folds anew R times"
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="keep the folds' models as one, which averages their probabilities",
    )
    parser.add_argument(
        "--split-by",
        default="auto",
        metavar="auto|stratified|group|tags|time:COLUMN",
        help="what a split goes by (default: auto: groups where the data has them, else tags, else "
        "classes); time: the newest by that column are held out",
    )


def wants_folds(options: argparse.Namespace) -> bool:
    """Whether anything was asked for that folds alone have."""
    return options.folds is not None or options.repeats != 1 or options.ensemble


def train_folds(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Train, measure and save every fold, and what they say together.

    Args:
        options: Of ``tl-keras train``, parsed, with ``folds``.

    Returns:
        What ``--json`` prints, but for the time, and whether the run was interrupted: never, for
        that leaves by an exception and is gone on with by the same command.

    Raises:
        InputError: Of any fold; or the data cannot be dealt.
    """
    from tl_keras.artefact.writing import check_output
    from tl_keras.training.folds import in_fresh_process
    from tl_keras.training.recipe_names import known_recipe

    _check(options)
    recipe = known_recipe(options.recipe)
    check_output(Path(options.output or "saved_models/new"))
    data = choices.data(options)
    name = choices.data_name(options.data)
    folds = data.examples.folds(options.folds, options.seed, options.repeats, by=options.split_by)
    rows = [i for i, part in enumerate(data.examples.splits) if part != "test"]
    source = data.examples.subset(rows)
    print(
        f"{len(folds)} folds of {len(source)} images"
        + ("" if data.test is None else f"; {len(data.test)} test images stand in none")
        + f"; {len(source.skipped)} files were left out."
    )
    settings = settings_of(options, source, data.test or source, recipe)
    with unfinished_run(options.output, name, settings, options.resume) as (output, folder, again):
        if again:
            print(f"Going on with the unfinished run in {folder}; --no-resume begins anew.")
        result = folder / "result"
        result.mkdir(exist_ok=True)
        for number, (train, val) in enumerate(folds, 1):
            if _done(result, number):
                print(f"Fold {number} of {len(folds)} is there already.")
                continue
            print(
                f"\nFold {number} of {len(folds)}: {len(train)} to train, {len(val)} to validate."
            )
            sys.stdout.flush()
            parts = choices.Data(source, train, val, data.test)
            try:
                _train_one(in_fresh_process, options, parts, folder, number)
            except KeyboardInterrupt:
                print(f"interrupted in fold {number}; the same command goes on", file=sys.stderr)
                raise
        if options.ensemble:
            print("\nThe folds' models become one ...", flush=True)
        given = (vars(options), str(result), [(len(t), len(v)) for t, v in folds], data.test)
        summary = in_fresh_process(finish, *given)
        (result / "folds.json").write_text(json.dumps(summary, indent=1, allow_nan=False))
        shutil.copymode(result / "fold-1", result)
        check_output(output)
        result.replace(output)
    said = "folds.json, report.html and a folder for each fold"
    print(f"\nSaved to {output}: {said}" + (", model.keras" if options.ensemble else ""))
    which = output if options.ensemble else output / "fold-1"
    print(f"Next: tl-keras predict {which} IMAGE ...")
    return {**summary, "artefact": str(output), "interrupted": False}, False


def _check(options: argparse.Namespace) -> None:
    if options.folds is None:
        raise InputError("--repeats and --ensemble go with --folds K, such as --folds 5")
    if options.folds < 2:
        raise InputError(f"--folds is 2 or more; got {options.folds}")
    if options.repeats < 1:
        raise InputError(f"--repeats is 1 or more; got {options.repeats}")
    if options.ensemble and options.task not in AVERAGED:
        raise InputError(
            f"--ensemble averages one answer an image, which --task {options.task} has not; leave "
            "it out"
        )
    if options.batch_size is not None and options.batch_size < 1:
        raise InputError(f"--batch-size is 1 or more; got {options.batch_size}")
    if options.workers > 1:
        raise InputError("--folds trains one fold after the other here; leave --workers out")


def _done(result: Path, number: int) -> bool:
    return (result / f"fold-{number}" / "model.json").exists()


def _train_one(
    run: Any, options: argparse.Namespace, data: choices.Data, folder: Path, number: int
) -> None:
    # The name says to unfinished_run that there is something to go on with.
    checkpoints = folder / f"checkpoint-fold-{number}"
    chosen = folder / "checkpoint-fold-1" / "recipe.toml"
    if number > 1 and chosen.exists() and not (checkpoints / chosen.name).exists():
        # A recipe that follows from data and timing is chosen once, so that folds can be compared.
        checkpoints.mkdir(exist_ok=True)
        shutil.copy(chosen, checkpoints / chosen.name)
    given = {
        **vars(options),
        "data": str(options.data or "built-in sample set"),
        "feature_cache": options.feature_cache or str(folder / "features"),
        # Another start for each: the spread is that of the data and of the training.
        "seed": (options.seed + number - 1) % 2**32,
    }
    try:
        interrupted = run(_work, given, data, str(folder / "result"), str(checkpoints), number)
    except InputError:
        if not any(checkpoints.glob("checkpoint-*")):
            shutil.rmtree(checkpoints, ignore_errors=True)
        raise
    if interrupted:
        raise KeyboardInterrupt
    for file in checkpoints.glob("checkpoint-*"):
        file.unlink()


def _work(
    given: dict[str, Any], data: choices.Data, result: str, checkpoints: str, number: int
) -> bool:
    """One fold, in a process of its own; whether it was interrupted."""
    from tl_keras.cli.startup import start_keras
    from tl_keras.cli.train import train_and_save

    options = argparse.Namespace(**given)
    output = Path(result) / f"fold-{number}"
    with messages(options.json):
        start_keras()
        base = choices.base(options.backbone, options.weights, options.image_size)
        choices.check_base(base)
        said = train_and_save(options, base, data, output, Path(checkpoints))
    if said["interrupted"]:
        # A fold that was cut short is no fold; its checkpoints stay.
        shutil.rmtree(output)
    return said["interrupted"]
