"""``tl-keras drift``: do new images look like those that a model was made for?"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tl_keras.cli.files import image_files
from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.cli.page_file import add_page, called, page_file
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras drift saved_models/photos new/              and look at drift-new.html
  tl-keras drift saved_models/photos new/ --reference last_year/
  tl-keras drift saved_models/photos new/ --json --fail-on-drift

The reference are the held-out images that the model remembers. Images of one source are called
different in at most one of twenty comparisons; what so many images could have found is said.
"""

_SHOWN = 24  # pictures of a kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Compare new images with those that a model was made for: whether a classifier tells them "
        "apart, how far their features lie from each other, and whether the model says other "
        "things of them. Needs no labels."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="the folder that `tl-keras train` wrote")
    parser.add_argument("new", metavar="NEW", nargs="+", help="folders of new images, or files")
    parser.add_argument(
        "--reference",
        metavar="DIR",
        nargs="+",
        help="images to compare with (default: those that the model remembers)",
    )
    add_page(parser, "drift")
    parser.add_argument(
        "--fail-on-drift", action="store_true", help="exit with 3 where drift is found, for scripts"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Compare, print, and write the page."""
    from tl_keras.evaluation.drift.words import drift_words

    began = time.perf_counter()
    new = image_files(options.new)
    reference = None if options.reference is None else image_files(options.reference)
    page = page_file(options, options.new[0])
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.drift import drift
        from tl_keras.artefact.predictor import load

        predictor = load(options.model)
        result = drift(predictor, new, reference, verbose=True)
        skipped = [*(result.reference.skipped if result.reference else ()), *result.new.skipped]
        for _, reason in skipped:
            print(f"left out: {reason}")
        images = result.found["images"]
        of = "" if options.reference else " that the model remembers"
        print(f"{images['new']:,} new images against {images['reference']:,}{of}.")
        for line in drift_words(result.found):
            print(line)
        print("Least like the reference:")
        for place in result.farthest(5):
            print(f"  {result.new.paths[place]}")
        if page is not None:
            _write(page, result, predictor, called(options.new[0]), skipped)
            print(f"The pictures: {page}")
    if options.json:
        print_json({**result.as_dict(), "seconds": round(time.perf_counter() - began, 1)})
    return 3 if options.fail_on_drift and result.found["drift"] else 0


def _write(page: Path, result: Any, predictor: Any, name: str, skipped: list[Any]) -> None:
    from tl_keras.data.decoding import load_image
    from tl_keras.evaluation.drift.page import write_drift_page

    def pictures(places: list[int], of: str) -> Iterator[tuple[Any, str]]:
        for place in places:
            path = result.new.paths[place]
            value = result.found[of][place]
            image = load_image(path, predictor.image_size, predictor.resize)
            yield image, f"{Path(path).name} ({value:.2f})"

    galleries = {
        "Least like the reference (distance to its nearest images)": pictures(
            result.farthest(_SHOWN), "distances"
        ),
    }
    if result.found["drift"]:
        galleries["Told from the reference most easily (score of the classifier)"] = pictures(
            result.most_typical(_SHOWN), "scores"
        )
    title = f"{name} against {predictor.folder.name}"
    write_drift_page(page, result.found, galleries, title=title, skipped=skipped)
