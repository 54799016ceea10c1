"""``tl-keras predict``: the class or the tags of new images."""

import argparse
import sys
from pathlib import Path

from tl_keras.cli.options import add_json, add_tta, messages, print_json
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras predict saved_models/photos new/1.jpg new/2.png
  tl-keras predict saved_models/photos new/            every image in the folder
  tl-keras predict saved_models/photos new/*.jpg --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Print the most probable class of each image, or its tags, with their probabilities."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="the folder that `tl-keras train` wrote")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files or folders of them")
    parser.add_argument(
        "--top", type=int, metavar="K",
        help="show the K most probable, whatever they are (default: 1 class, or the tags above "
        "their threshold)",
    )  # fmt: skip
    add_tta(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Predict; an image that cannot be read is named, and the others are still predicted."""
    if options.top is not None and options.top < 1:
        raise InputError(f"--top is 1 or more; got {options.top}")
    paths = _files(options.images)
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.predictor import load

        predictor = load(options.model)
        predictions, skipped = [], []
        for path in paths:
            try:
                predictions += predictor.predict(path, tta=options.tta)
            except InputError as problem:
                skipped.append({"path": path, "reason": str(problem)})
                print(f"tl-keras: left out: {problem}", file=sys.stderr)
    if options.json:
        print_json(
            {"predictions": [item._asdict() for item in predictions], "skipped": skipped},
        )
    else:
        width = max((len(item.source) for item in predictions), default=0)
        for item in predictions:
            names = getattr(item, "tags", None)
            if options.top or names is None:
                names = sorted(item.probabilities, key=item.probabilities.get, reverse=True)
                names = names[: options.top or 1]
            shown = "  ".join(f"{name} {item.probabilities[name]:.3f}" for name in names)
            print(f"{item.source:<{width}}  {shown or '(no tag)'}")
    return 0 if predictions and not skipped else 2


def _files(names: list[str]) -> list[str]:
    paths = []
    for name in names:
        if Path(name).is_dir():
            inside = sorted(
                str(path)
                for path in Path(name).rglob("*")
                if path.is_file() and not path.name.startswith(".")
            )
            if not inside:
                raise InputError(f"{name} is an empty folder; give images or a folder of them")
            paths += inside
        else:
            paths.append(name)
    return paths
