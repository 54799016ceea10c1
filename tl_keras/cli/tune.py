"""``tl-keras tune``: search for settings that do better than the defaults."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.opening import open_given, words_for_reader
from tl_keras.cli.options import (
    VAL_FRACTION,
    add_data_format,
    add_json,
    left_out,
    messages,
    percent,
    print_json,
)
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras tune photos/                                    30 trials into tuned/photos
  tl-keras tune photos/ --search unfreeze=0 learning_rate dropout head    heads only: seconds each
  tl-keras tune photos/ --search learning_rate=1e-4..1e-2 augment=none,light,strong --trials 50
  tl-keras tune photos/ --search base=mobilenet_v2@128,resnet50@224 learning_rate
  tl-keras tune photos/ --search dropout=0,0.2,0.5 head --sampler grid
  tl-keras tune photos/ --storage postgresql://me:secret@host/db --study photos    on each machine

parameters to search:
{parameters}

The defaults are the first trial. Trials are compared on a validation part; in the end the best and
the defaults are trained anew with three other seeds and compared on images that chose nothing: a
test part of DATA, or a part that is set aside. The same command goes on where it was left, with
more --trials, too; two of it at once share the work. Needs Optuna: pip install 'tl-keras[tune]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    from tl_keras.selection.search_parameters import PARAMETERS, values_said

    shown = []
    for name, one in PARAMETERS.items():
        usual = f"{name}={values_said(one.usual)}" if one.usual else name
        shown.append(f"  {usual}\n      {one.meaning}")
    parser.description = (
        "Search learning rates, head, dropout, augmentation, unfreeze depth and base for settings "
        "that classify your images better than the defaults, and say whether there are any."
    )
    parser.epilog = _EXAMPLES.format(parameters="\n".join(shown))
    parser.add_argument("data", metavar="DATA", help="labelled images, as for `tl-keras train`")
    add_data_format(parser)
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="study, plots, best.toml and tune.html; where a search stands there, it goes on "
        "(default: tuned/NAME)",
    )
    parser.add_argument(
        "--search",
        nargs="+",
        metavar="NAME[=VALUES]",
        help="what to search: NAME=LOW..HIGH, NAME=A,B,C or NAME alone, see below; all else stands "
        "at its default (default: everything but the base)",
    )
    parser.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help="in all, over all processes and calls (default: 30; with --sampler grid all points)",
    )
    parser.add_argument(
        "--sampler",
        default="tpe",
        choices=["tpe", "random", "grid"],
        help="tpe learns from the trials before (Bayesian); grid takes both ends and the middle of "
        "a range (default: tpe)",
    )
    parser.add_argument(
        "--pruner",
        default="halving",
        choices=["halving", "none"],
        help="halving ends trials early that fall behind (default: halving)",
    )
    parser.add_argument(
        "--backbone", metavar="NAME", help="the base of the defaults (default: the shipped one)"
    )
    parser.add_argument(
        "--weights", metavar="imagenet|bundled|none|PATH", help="as for `tl-keras train`"
    )
    parser.add_argument(
        "--image-size", type=int, metavar="PX", help="side of the square input (default: its own)"
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database that several machines share, such as postgresql://user:password@host/name "
        "(default: a file in the output folder)",
    )
    parser.add_argument(
        "--study", metavar="NAME", help="of the study in it (default: that of the output folder)"
    )
    parser.add_argument(
        "--val-fraction",
        type=float,
        default=VAL_FRACTION,
        metavar="F",
        help=f"of the images each part that DATA does not bring (default: {VAL_FRACTION})",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of parts, search and training (default: 0)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Search, compare, write, print."""
    with messages(options.json):
        try:
            tuning, skipped = _tuned(options)
        except KeyboardInterrupt:
            said = "the trials that ended are kept, and the same command goes on"
            print(f"\ntl-keras: interrupted; {said}", file=sys.stderr)
            return 2
        command = _command(options, tuning)
        tuning.save(command if tuning.better else _plain(options))
    if options.json:
        said = {"command": command, "skipped": skipped}
        print_json({**tuning.as_dict(), **said})
    else:
        _print(tuning, options, command)
    return 0


def _tuned(options: argparse.Namespace) -> tuple[Any, list[list[str]]]:
    from tl_keras.selection.search_space import search_space
    from tl_keras.selection.tuning_storage import optuna_here

    optuna_here()
    start_keras()
    # Before a long scan.
    search_space(options.search, {"unfreeze": "0", "base": ""})
    base = choices.base(options.backbone, options.weights, options.image_size)
    choices.check_base(base)
    examples = open_given(options)
    skipped = [list(item) for item in examples.skipped]
    if skipped:
        print(f"{len(examples):,} images{left_out(len(skipped))}.", flush=True)
    output = options.output or str(Path("tuned") / choices.data_name(options.data))
    from tl_keras.selection import tune

    tuning = tune(
        examples,
        output,
        search=options.search,
        trials=options.trials,
        sampler=options.sampler,
        pruner=options.pruner,
        backbone=base.backbone,
        weights=base.weights,
        image_size=base.image_size,
        storage=options.storage,
        study=options.study,
        val_fraction=options.val_fraction,
        seed=options.seed,
    )
    return tuning, skipped


def _plain(options: argparse.Namespace) -> str:
    """``tl-keras train`` on the same data."""
    given = ["tl-keras", "train", options.data, *words_for_reader(options)]
    named = {
        "--backbone": options.backbone,
        "--weights": options.weights,
        "--image-size": options.image_size,
        "--val-fraction": None if options.val_fraction == VAL_FRACTION else options.val_fraction,
        "--seed": options.seed or None,
    }
    for name, value in named.items():
        given += [] if value is None else [name, str(value)]
    return choices.said(shlex.join(given))


def _command(options: argparse.Namespace, tuning: Any) -> str:
    """Train by the best settings, on all images that are not held out."""
    base, best = tuning.base, tuning.best.settings
    chosen = argparse.Namespace(
        **{
            **vars(options),
            "backbone": base.backbone,
            "weights": base.said,
            "image_size": base.image_size,
        }
    )
    more = ["--recipe", str(tuning.folder / "best.toml")]
    more += [] if best["head"] == "plain" else ["--head", best["head"]]
    return f"{_plain(chosen)} {shlex.join(more)}"


def _print(tuning: Any, options: argparse.Namespace, command: str) -> None:
    print(f"\n{tuning.table()}\n")
    default = tuning.default_recipe
    print(f"The defaults are the recipe {default.name}: {default.reason}.")
    if tuning.comparison is not None:
        found = tuning.comparison
        print(
            f"Trained anew with {found['seeds']} other seeds, on {found['images']:,} images that "
            f"chose nothing:\n  best found  {percent(found['best'])}\n"
            f"  defaults    {percent(found['defaults'])}"
        )
    print(tuning.verdict)
    print(f"\nWritten to {tuning.folder}: tune.html, trials.csv, best.toml, history.png, ...")
    print(f"Next: {command if tuning.better else _plain(options)}")
