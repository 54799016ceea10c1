"""``tl-keras rank``: which base to train on, without training any."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from tl_keras.cli.opening import open_given, words_for_reader
from tl_keras.cli.options import (
    add_bases_at_hand,
    add_data_format,
    add_json,
    left_out,
    messages,
    print_json,
)
from tl_keras.cli.plot_file import plot_file
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras rank photos/                              every base whose weights are on this machine
  tl-keras rank photos/ --plot bases.png
  tl-keras rank photos/ --backbones mobilenet_v2@128 mobilenet_v2@224
  tl-keras rank photos/ --feature-cache features/    the next time takes seconds

Nothing is trained and nothing is downloaded. Each base sees each image once; LogME (You et al.
2021) decides about the order: how probable the labels are given the features, over all linear
models at once. H-score, a linear probe and a vote of the five nearest images stand beside it.
A test part of DATA is not looked at.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Compare pretrained bases on your images by their frozen features, with what each costs."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", help="labelled images, as for `tl-keras train`")
    add_data_format(parser)
    add_bases_at_hand(parser, "compare")
    parser.add_argument(
        "--feature-cache",
        metavar="DIR",
        help="keep the features in DIR, for the next time and for train (default: compute them "
        "anew)",
    )
    parser.add_argument("--plot", metavar="FILE.png", help="also draw score against cost there")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Compare and print."""
    plot = plot_file(options.plot, "bases.png")
    with messages(options.json):
        start_keras()
        ranking, skipped = _ranking(options)
        if plot:
            ranking.plot(plot)
    if options.json:
        print_json({**ranking.as_dict(), "skipped": skipped, "plot": str(plot) if plot else None})
    else:
        _print(ranking, options, plot, len(skipped))
    return 0


def _ranking(options: argparse.Namespace) -> tuple[Any, list[list[str]]]:
    from tl_keras.selection import rank
    from tl_keras.selection.candidates import asked_for

    if options.backbones:
        asked_for(options.backbones)  # before a long scan
    examples = open_given(options)
    ranking = rank(
        examples,
        options.backbones,
        images=options.images,
        seed=options.seed,
        cache=options.feature_cache,
    )
    return ranking, [list(item) for item in examples.skipped]


def _print(ranking: Any, options: argparse.Namespace, plot: Path | None, skipped: int) -> None:
    from tl_keras.backbones.weight_files import weights_folder

    drawn = f", drawn from {ranking.of:,}" if ranking.of > ranking.images else ""
    print(
        f"{ranking.images:,} images of {ranking.classes} classes{drawn}{left_out(skipped)}; "
        f"{100 * ranking.majority:.0f} % are of the commonest.\n"
    )
    print(ranking.table())
    print(
        "\nBest first by LogME. probe and 5-NN: share named rightly when each image is left out.\n"
        "images/s: forward passes on this machine; seconds: what getting the features took."
    )
    for name, reason in ranking.left_out.items():
        print(f"left out: {name}: {reason}")
    if not options.backbones and all(row.weights == "bundled" for row in ranking.rows):
        print(
            f"Only the bundled base is here; {weights_folder()} holds no weights of others. "
            "Training with one once (--backbone mobilenet_v2) fetches them, given a network."
        )
    best = ranking.best
    words = ["tl-keras", "train", options.data, *words_for_reader(options)]
    words += ["--backbone", best.backbone, "--weights", best.weights]
    print(f"\nnext: {shlex.join([*words, '--image-size', str(best.image_size)])}")
    if plot:
        print(f"Plot: {plot}")
