"""``tl-keras add-class``: new classes for a trained classifier, in seconds."""

import argparse
import shlex
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.opening import open_given
from tl_keras.cli.options import add_data_format, add_json, messages, percent, print_json
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras add-class saved_models/insects wasps/       the images of one class, named as the folder
  tl-keras add-class saved_models/insects new/         a folder per class (new/wasps, new/flies)
  tl-keras add-class saved_models/old wasps/ --known photos/

The base and what the head knows stay as they are, bit for bit: the scores of the old classes keep
their distances. The new ones are computed from features of the new images and of held-out images of
the old classes, which the model remembers. Two images do, ten are better. What the model promises
(temperature, sets, when it abstains) is found anew; with --known, whose images it may have been
trained on, it promises nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "Add classes to a trained classifier without training the others again."
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="the folder that `tl-keras train` wrote")
    parser.add_argument(
        "data",
        metavar="NEW",
        help="images of the new class, or whatever `tl-keras train` reads, of new classes alone",
    )
    add_data_format(parser)
    parser.add_argument(
        "--known",
        metavar="DATA",
        help="images of every class the model knows, for models that remember none: such as the "
        "data it was trained on",
    )
    parser.add_argument("--output", metavar="DIR", help="where the result goes; must not exist yet")
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first file that cannot be read"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Read, add, save, and say what it did to the old classes."""
    from tl_keras.artefact.writing import check_output

    began = time.perf_counter()
    model = Path(options.model)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    output = Path(options.output or Path("saved_models") / f"{model.resolve().name}-{stamp}")
    check_output(output)
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.adding import add_classes
        from tl_keras.artefact.predictor import read_description

        read_description(model)
        fresh = _read(options)
        known = None
        if options.known is not None:
            given = argparse.Namespace(**{**vars(options), "data": options.known})
            known = open_given(given)
        result = add_classes(
            model, fresh, output, known=known,
            command=choices.said("tl-keras " + shlex.join(sys.argv[1:])),
        )  # fmt: skip
        result["skipped"] = [list(item) for item in fresh.skipped]
        result["seconds"] = round(time.perf_counter() - began, 1)
        if not options.json:
            _print(result)
    if options.json:
        print_json(result)
    return 0


def _read(options: argparse.Namespace) -> Any:
    from tl_keras.data.one_class import from_class_folder, one_class_in

    if options.data_format is None and one_class_in(options.data) is not None:
        return from_class_folder(options.data, strict=options.strict)
    return open_given(options)


def _print(result: dict[str, Any]) -> None:
    added = ", ".join(f"{name} ({count} images)" for name, count in result["added"].items())
    names = result["class_names"]
    print(f"Added {added}; the model now tells {len(names)} classes apart.")
    if result["skipped"]:
        print(f"{len(result['skipped'])} files were left out:")
        for path, reason in result["skipped"]:
            print(f"  {path}: {reason}")
    old = result["old_classes"]
    print(f"\nOn {old['images']} images of the classes it knew:")
    print(f"  {'accuracy before':<24} {percent(old['before'])}")
    print(f"  {'accuracy now':<24} {percent(old['after'])}; {old['taken']} are taken for a new one")
    print("On images of the new classes, each left out of the fit:")
    for row in result["metrics"]["per_class"]:
        if row["name"] in result["added"]:
            print(f"  {'recall of ' + row['name']:<24} {percent(row['recall'])}")
    saved = result["artefact"]
    print(f"\nSaved to {saved}: model.keras, model.json, report.html")
    print(f"Next: tl-keras predict {saved} IMAGE ...")
    print(f"\ndone in {result['seconds']:.0f} s")
