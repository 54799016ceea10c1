"""Options that mean the same in every command, and the two ways of printing."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from tl_keras.tasks.kinds import KINDS

VAL_FRACTION = 0.2  # of the images, held out unless told otherwise


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object on standard output; everything else goes to standard error",
    )


def add_tta(parser: argparse.ArgumentParser) -> None:
    """``--tta``."""
    parser.add_argument(
        "--tta", metavar="PRESET",
        help="average over views of each image (mirrored, closer, turned), as suits the kind of "
        "picture: standard, document, medical, texture, spectrogram or none; takes a pass of the "
        "model for each view (default: what the model was saved with, or none)",
    )  # fmt: skip


def add_data_format(parser: argparse.ArgumentParser) -> None:
    """``--data-format``."""
    parser.add_argument(
        "--data-format",
        metavar="NAME",
        help="how DATA is read, where it cannot be told: folder, csv, voc, coco, yolo, masks, "
        "tfrecord (default: found out)",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="column of the table DATA that holds the class (default: label, class, category, ...)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="classes of mask files that do not name theirs, in the order of their values",
    )
    parser.add_argument(
        "--masks",
        choices=["index", "binary", "trimap", "things"],
        help="what mask files hold: index (the number of the class), binary (dark and light), "
        "trimap (1 thing, 2 background, 3 neither), things (one file a thing); default: found out",
    )
    parser.add_argument(
        "--background",
        metavar="NAME",
        help="class of the pixels that no mask covers (default: background, with --task segment)",
    )


def add_training(parser: argparse.ArgumentParser) -> None:
    """Options of every command that trains."""
    parser.add_argument("--output", metavar="DIR", help="where the result goes; must not exist yet")
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="the base network, see `tl-keras backbones` (default: the one shipped with tl_keras)",
    )
    parser.add_argument(
        "--weights",
        metavar="imagenet|bundled|none|PATH",
        help="where the backbone's weights come from (default: bundled for the shipped base, "
        "imagenet for any other)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="PX",
        help="side of the square input (default: the backbone's own)",
    )
    parser.add_argument(
        "--recipe",
        default="auto",
        metavar="NAME|FILE.toml",
        help="auto, feature_extraction (head only), fine_tune (head, then everything), "
        "progressive (head, then the backbone from the top), bit_hyperrule (steps by the size of "
        "the data), in closed form ridge, prototypes (heads) and whitening (embedders), or a file "
        "of your own stages; default: auto",
    )
    parser.add_argument(
        "--task",
        default="classify",
        choices=list(KINDS),
        help="what to learn: "
        + ", ".join(f"{name} ({line})" for name, line in KINDS.items())
        + "; default: classify",
    )
    parser.add_argument(
        "--tags",
        nargs="+",
        metavar="COLUMN",
        help="columns of the table DATA that hold the tags (--task tag)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of split, order and initial weights (default: 0)"
    )


def add_val_fraction(parser: argparse.ArgumentParser) -> None:
    """``--val-fraction``."""
    parser.add_argument(
        "--val-fraction",
        type=float,
        default=VAL_FRACTION,
        metavar="F",
        help=f"part of the images held out, where DATA brings no split (default: {VAL_FRACTION})",
    )


def add_bases_at_hand(parser: argparse.ArgumentParser, what: str) -> None:
    """``--backbones`` and ``--images`` of commands that look at bases without training them.

    Args:
        parser: Of the command.
        what: It does with them, a verb or two.
    """
    parser.add_argument(
        "--backbones",
        nargs="+",
        metavar="NAME",
        help=f"{what} these: NAME, NAME@224 (image size, px) or NAME+bundled (default: every base "
        "whose weights ship with tl_keras or lie in Keras' cache)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=4_000,
        metavar="N",
        help="look at so many images at most, drawn by class (default: 4000)",
    )


@contextlib.contextmanager
def messages(as_json: bool) -> Iterator[None]:
    """Within, plain prints go to standard error if the result is JSON."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    json.dump(value, sys.stdout, allow_nan=False)
    print()


def percent(figure: dict[str, float | None]) -> str:
    """``93.1 % (95 % interval 88.4 to 96.2)``."""
    if figure["value"] is None:
        return "not measurable"
    if figure["low"] is None:
        return f"{100 * figure['value']:.1f} %"
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:.1f} % (95 % interval {low:.1f} to {high:.1f})"


def left_out(files: int) -> str:
    """How many files were left out, in brackets behind the number of images; or nothing.

    Example:
        >>> left_out(1), left_out(0)
        (' (1 file was left out: see `tl-keras check`)', '')
    """
    were = "1 file was" if files == 1 else f"{files:,} files were"
    return f" ({were} left out: see `tl-keras check`)" if files else ""
