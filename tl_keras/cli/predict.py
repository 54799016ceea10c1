"""``tl-keras predict``: what a trained model says of new images."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tl_keras.cli.files import image_files
from tl_keras.cli.options import add_json, add_tta, messages, print_json
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras predict saved_models/photos new/1.jpg new/2.png
  tl-keras predict saved_models/photos new/            every image in the folder
  tl-keras predict saved_models/photos new/*.jpg --json
  tl-keras predict saved_models/photos new/ --coverage 0.99    names more classes, abstains sooner
  tl-keras predict saved_models/street new/ --draw drawn/      boxes or masks over each image

what a classifier says:
  new/1.jpg  bees 0.981                        the class and its probability
  new/2.jpg  bees 0.702  or ants 0.291         as many as it takes to hold the true one in 90 %
  new/3.jpg  abstains: ants 0.511  or ...      too unsure: more answers would be wrong than promised
  new/4.jpg  like nothing it was trained on: ants 0.973         farther off than 95 % of held-out
                                               images: whatever it says means little
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Print what the model says of each image: the most probable class and what else it may be, "
        "tags, boxes, things, or the share of each class of pixels; and draw boxes and masks into "
        "pictures."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="the folder that `tl-keras train` wrote")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files or folders of them")
    parser.add_argument(
        "--top", type=int, metavar="K",
        help="show the K most probable, whatever they are (default: the classes it may be, the "
        "tags above their threshold, the 5 surest things)",
    )  # fmt: skip
    parser.add_argument(
        "--draw",
        metavar="DIR",
        help="write a picture of each image with its boxes or masks there, and of masks a PNG file "
        "with the class (or the number of the thing) of every pixel; must not exist yet",
    )
    parser.add_argument(
        "--tiled",
        action="store_true",
        help="look at each image in its own pixels, in overlapping tiles, not resized to the "
        "model's size: for segmenters trained on pieces of such images",
    )
    parser.add_argument(
        "--coverage", type=float, metavar="C",
        help="share of images whose true class is among those named: 0.8, 0.9, 0.95 or 0.99, as "
        "far as validation images sufficed; no more than the rest of them get a wrong answer: the "
        "model abstains before that (--task classify; default: 0.9)",
    )  # fmt: skip
    add_tta(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Predict; an image that cannot be read is named, and the others are still predicted."""
    if options.top is not None and options.top < 1:
        raise InputError(f"--top is 1 or more; got {options.top}")
    paths = image_files(options.images)
    if options.draw:
        from tl_keras.artefact.writing import check_output

        check_output(Path(options.draw))
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.predictor import load
        from tl_keras.cli.drawing import Drawing

        predictor = load(options.model)
        predictor.check_asked(options.tta, options.tiled, bool(options.draw))
        if options.coverage is not None:
            predictor.promise(options.coverage)
        drawing = Drawing(Path(options.draw), predictor) if options.draw else None
        predictions, skipped = answers(predictor, paths, options.tta, options.tiled, drawing)
    print_answers(predictor.task, predictions, skipped, options.top, options.json)
    if drawing and not options.json:
        print(f"\n{drawing.count} pictures in {options.draw}")
    return 0 if predictions and not skipped else 2


def answers(
    predictor: Any, paths: list[str], tta: str | None = None, tiled: bool = False,
    drawing: Any = None,
) -> tuple[list[Any], list[dict[str, str]]]:  # fmt: skip
    """What a model says of files, and which could not be read, with the reason.

    Args:
        predictor: The model.
        paths: Of the files.
        tta: As of ``Predictor.predict``, and so is ``tiled``.
        tiled: See there.
        drawing: Takes pictures of the answers, or None.
    """
    predictions, skipped = [], []
    for path in tqdm(paths, desc="  predicting", unit="image", disable=len(paths) < 20):
        try:
            placed = predictor.placed([path], tta, tiled)
            predictions += predictor.answers([path], placed)
            if drawing:
                drawing.add(path, placed[0], predictions[-1])
        except InputError as problem:
            skipped.append({"path": path, "reason": str(problem)})
            tqdm.write(f"tl-keras: left out: {problem}", file=sys.stderr)
    return predictions, skipped


def print_answers(
    task: Any, predictions: list[Any], skipped: list[dict[str, str]], top: int | None, as_json: bool
) -> None:
    """Print :func:`answers`, a line each or as one JSON object."""
    if as_json:
        print_json({"predictions": [task.told(item) for item in predictions], "skipped": skipped})
        return
    width = max((len(item.source) for item in predictions), default=0)
    for item in predictions:
        print(f"{item.source:<{width}}  {task.said(item, top)}")
