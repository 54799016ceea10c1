"""``tl-keras check``: what is wrong with data, before anything is trained on it."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.options import add_data_format, add_json, messages, print_json
from tl_keras.cli.page_file import add_page, called, page_file
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras check photos/                                  and look at check-photos.html
  tl-keras check photos/ --backbone mobilenet_v2          a better base finds more wrong labels
  tl-keras check photos/ --no-features                    quick: what needs no network
  tl-keras check photos/ --fix cleaned.csv                then: tl-keras train cleaned.csv
  tl-keras check photos/ --json > findings.json

Your files are never touched. --fix drops only what is surely wrong: unreadable files, the same
bytes under different labels, copies that cross the split (the test part keeps its own), boxes
without an area. Probably wrong labels, near copies and outliers are for you to decide.
"""

_WORST = 3  # of each kind, on the terminal
_NAMES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Look for unreadable files, copies and near copies (above all across train, val and test), "
        "labels that are probably wrong, pictures that do not belong, tiny and unbalanced classes, "
        "tiny and oddly shaped pictures, and impossible boxes and masks."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", help="what `tl-keras train` takes")
    add_data_format(parser)
    add_page(parser, "check")
    parser.add_argument(
        "--fix",
        metavar="TABLE.csv",
        help="also write a table without what is surely wrong; must not exist yet",
    )
    parser.add_argument(
        "--no-features",
        action="store_true",
        help="leave out what needs a network: wrong labels, and surer near copies and outliers",
    )
    parser.add_argument("--backbone", metavar="NAME", help="the network (default: as train)")
    parser.add_argument(
        "--weights", metavar="imagenet|bundled|PATH", help="of the network (default: as train)"
    )
    parser.add_argument(
        "--image-size", type=int, metavar="PX", help="side of its input (default: the network's)"
    )
    parser.add_argument(
        "--feature-cache",
        metavar="DIR",
        help="keep its features in DIR, for the next check (default: compute them anew)",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Check, print, and write what was asked for."""
    from tl_keras.cli.opening import open_given
    from tl_keras.data import check, cleaned
    from tl_keras.evaluation.check_page import write_check_page

    began = time.perf_counter()
    fix = _new_table(options.fix)
    page = page_file(options, options.data)
    if options.weights == "none":
        raise InputError("random weights see nothing; give --weights, or --no-features")
    with messages(options.json):
        features = None if options.no_features else _features(options)
        examples = open_given(options)
        findings = check(examples, features=features)
        seconds = time.perf_counter() - began
        if not options.json:
            _print(examples, findings, seconds)
        if page:
            title = f"Check of {called(options.data)}"
            write_check_page(page, findings, examples, title=title)
            print(f"\nThe pictures: {page}")
        if fix:
            _print_fixed(cleaned(examples, findings), fix)
        elif not options.json and findings:
            print("A table without what is surely wrong: the same with --fix cleaned.csv")
    if options.json:
        print_json([finding.as_dict() for finding in findings])
    return 0


def _features(options: argparse.Namespace) -> Any:
    from tl_keras.cli.startup import start_keras

    start_keras()
    from tl_keras.training.embedding import embed

    base = choices.base(options.backbone, options.weights, options.image_size)
    choices.check_base(base)
    print(f"Network: {base.backbone} at {base.image_size} px, weights {base.weights}.")
    return lambda examples: embed(
        examples,
        backbone=base.backbone,
        weights=base.weights,
        image_size=base.image_size,
        cache=options.feature_cache,
        verbose=True,
    )


def _print(examples: Any, findings: Sequence[Any], seconds: float) -> None:
    from tl_keras.data.checking.findings import KINDS

    read = len(examples) + len(examples.skipped) + len(examples.crossing)
    print(
        f"{read:,} files, {len(examples.class_names):,} classes, checked in {seconds:.1f} s "
        f"({read / seconds:.0f} files a second)."
    )
    if not findings:
        print("Nothing was found.")
    for kind, about in KINDS.items():
        some = [finding for finding in findings if finding.kind == kind]
        if not some:
            continue
        print(f"\n{about.severity.upper():<8}{about.title}: {len(some):,}")
        for finding in some[:_WORST]:
            names = ", ".join(_short(path, examples.root) for path in finding.paths[:_NAMES])
            rest = len(finding.paths) - _NAMES
            more = f" and {rest:,} more" if rest > 0 else ""
            print(f"  {names}{more}{': ' if names else ''}{finding.why}")
        if len(some) > _WORST:
            print(f"  ... and {len(some) - _WORST:,} more")
        print(f"  -> {about.remedy}")


def _print_fixed(result: Any, fix: Path) -> None:
    result.examples.to_csv(fix)
    lost = [f"{len(result.dropped):,} files"] if result.dropped else []
    lost += [f"{result.boxes:,} boxes"] if result.boxes else []
    print(f"\n{fix}: {len(result.examples):,} pictures, without {' and '.join(lost) or 'any loss'}")
    for path, why in list(result.dropped.items())[:10]:
        print(f"  {path}: {why}")
    if len(result.dropped) > 10:
        print(f"  ... and {len(result.dropped) - 10:,} more")
    print(f"Next: tl-keras train {fix}")


def _short(path: str, root: str) -> str:
    return path.removeprefix(f"{root}/") if root else path


def _new_table(name: str | None) -> Path | None:
    if name is None:
        return None
    table = Path(name)
    if table.suffix.lower() not in (".csv", ".tsv"):
        raise InputError(f"--fix {table} is no table; name a .csv or .tsv file")
    if table.exists():
        raise InputError(f"--fix {table} exists already; name a new file")
    if not table.parent.is_dir():
        raise InputError(f"--fix {table}: there is no folder {table.parent}; make it first")
    return table
