"""``tl-keras compare``: bases and recipes trained on the same split, side by side."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.options import (
    add_data_format,
    add_json,
    add_val_fraction,
    left_out,
    messages,
    print_json,
)
from tl_keras.cli.startup import import_keras
from tl_keras.errors import InputError
from tl_keras.tasks.kinds import KINDS

_EXAMPLES = """\
examples:
  tl-keras compare photos/ --backbones mobilenet_v2@128 mobilenet_v3_small --recipes ridge fine_tune
  tl-keras compare photos/ --backbones mobilenet_v2,efficientnet_v2_b0 --recipes fine_tune --seeds 3
  tl-keras compare photos/ ... --max-ms 20        the best that takes no more than 20 ms an image
  tl-keras compare photos/ ... --train-options "--augment strong --batch-size 16"

Each base is trained with each recipe by `tl-keras train`, in a process of its own, on the same
split. The same command goes on after Ctrl-C or kill -9; bases, recipes and seeds may be added.
What cannot be trained is named with its reason and stops nothing. The folder holds the trained
models (runs/), compare.html, compare.png, compare.json and compare.csv.
"""

# What the comparison itself says, or what would not compare.
_NOT_THESE = (
    "backbone", "weights", "image_size", "recipe", "task", "tags", "seed", "output",
    "feature_cache", "val_fraction", "split_by", "json", "folds", "repeats", "ensemble", "shots",
    "workers", "engine", "resume", "data_format", "label", "classes", "masks", "background",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Train every base with every recipe on the same split, and compare accuracy, latency, "
        "size and training time."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", help="as for `tl-keras train`")
    add_data_format(parser)
    parser.add_argument(
        "--backbones",
        nargs="+",
        required=True,
        metavar="NAME",
        help="NAME, NAME@224 (image size, px) or NAME+bundled, with spaces or commas between: each "
        "with all the weights of it at hand, else with ImageNet's, which are fetched",
    )
    parser.add_argument(
        "--recipes",
        nargs="+",
        required=True,
        metavar="NAME|FILE.toml",
        help="as `tl-keras train --recipe`, with spaces or commas between",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder of the comparison; one of the same data and options is gone on with (default: "
        "saved_models/DATA-compared)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="train everything N times, from --seed on, for mean and spread (default: 1)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of split, order and initial weights (default: 0)"
    )
    parser.add_argument("--max-ms", type=float, metavar="MS", help="choose among those as quick")
    parser.add_argument(
        "--max-megabytes", type=float, metavar="MB", help="choose among those as small"
    )
    parser.add_argument(
        "--task", default="classify", choices=list(KINDS), help="what to learn; default: classify"
    )
    parser.add_argument(
        "--tags", nargs="+", metavar="COLUMN", help="columns that hold the tags (--task tag)"
    )
    add_val_fraction(parser)
    parser.add_argument(
        "--split-by",
        default="auto",
        metavar="auto|stratified|group|tags|time:COLUMN",
        help="what the split goes by; default: auto",
    )
    parser.add_argument(
        "--feature-cache",
        metavar="DIR",
        help="keep the frozen bases' features in DIR (default: while the comparison runs)",
    )
    parser.add_argument(
        "--train-options",
        default="",
        metavar='"..."',
        help="more options of `tl-keras train`, quoted, the same for all, such as --track mlflow",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Train, compare and print."""
    with messages(options.json):
        comparison, skipped = _compared(options)
        _print(comparison)
        chosen = comparison.within(options.max_ms, options.max_megabytes)
        _print_choice(comparison, chosen)
    if options.json:
        print_json({**comparison.as_dict(), "skipped": skipped, "chosen": chosen.name})
    return 0


def _compared(options: argparse.Namespace) -> tuple[Any, list[list[str]]]:
    more = _train_options(options.train_options)
    import_keras()  # devices stay free for the runs
    from tl_keras.cli.opening import open_given
    from tl_keras.selection.compared_runs import combinations
    from tl_keras.selection.comparing import compare

    backbones, recipes = _listed(options.backbones), _listed(options.recipes)
    asked = combinations(backbones, recipes)  # before a long scan
    if not 0 < options.val_fraction < 1:
        raise InputError(f"--val-fraction lies between 0 and 1; got {options.val_fraction}")
    if options.tags and options.task != "tag":
        raise InputError("--tags names columns of tags; add --task tag")
    examples = open_given(options, options.task)
    output = options.output or f"saved_models/{choices.data_name(options.data)}-compared"
    skipped = [list(item) for item in examples.skipped]
    print(
        f"{len(asked)} to compare on {len(examples):,} images{left_out(len(skipped))}, "
        f"{options.seeds} of each, into {output}.",
        flush=True,
    )
    try:
        comparison = compare(
            examples,
            backbones,
            recipes,
            output=output,
            task=options.task,
            val_fraction=options.val_fraction,
            split_by=options.split_by,
            seed=options.seed,
            seeds=options.seeds,
            options=more,
            feature_cache=options.feature_cache,
            command=choices.said("tl-keras " + shlex.join(sys.argv[1:])),
        )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        raise
    return comparison, skipped


def _listed(words: Sequence[str]) -> list[str]:
    """Names with spaces or commas between.

    Example:
        >>> _listed(["a,b", "c"])
        ['a', 'b', 'c']
    """
    return [name for word in words for name in word.split(",") if name]


def _train_options(text: str) -> list[str]:
    """The words of ``--train-options``, which ``tl-keras train`` takes.

    Raises:
        InputError: It does not, or the comparison has an option of its own for one.
    """
    from tl_keras.cli.main import parser

    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise InputError(f"--train-options cannot be read: {problem}") from None
    top = parser("train")
    usual = vars(top.parse_args(["train"]))
    given = vars(top.parse_args(["train", *words]))
    changed = [key for key in usual if given[key] != usual[key]]
    for key in changed:
        if key == "data" or key in _NOT_THESE:
            named = given[key] if key == "data" else "--" + key.replace("_", "-")
            raise InputError(
                f"--train-options holds {named}, which is not for it; see `tl-keras compare --help`"
            )
    return words


def _print(comparison: Any) -> None:
    print(f"\n{comparison.table()}\n")
    print("front of: the costs at which no other is better at no more (the Pareto front).")
    for note in comparison.notes():
        print(note)
    for name, reason in comparison.failed.items():
        print(f"not trained: {name}: {reason}")
    print(f"\nSaved to {comparison.output}: compare.html, compare.png, compare.csv, compare.json")


def _print_choice(comparison: Any, chosen: Any) -> None:
    even = [row for row in comparison.rows if row.even and row.slower < 0.9]
    if even and chosen is comparison.best:
        quickest = min(even, key=lambda row: row.milliseconds)
        print(
            f"Even with the best and quicker: {quickest.name}, {quickest.slower:.2f} of its time "
            f"({quickest.runs[0]})"
        )
    which = "best" if chosen is comparison.best else "best within the limits"
    model = shlex.quote(chosen.runs[0].replace(os.sep, "/"))
    print(f"The {which} is {chosen.name}.")
    print(f"Next: tl-keras {comparison.used.format(model=model)}")
