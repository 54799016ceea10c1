"""``tl-keras explain``: pictures of what in an image speaks for its class."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tl_keras.cli.files import image_files
from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_AT_ONCE = 32  # images: what is compiled for a call serves as many
_METHODS = "grad_cam, grad_cam_plus_plus, integrated_gradients, occlusion"
_EXAMPLES = f"""\
examples:
  tl-keras explain saved_models/photos new/1.jpg               all four methods, in explained/
  tl-keras explain saved_models/photos new/ --method grad_cam --output seen/
  tl-keras explain saved_models/photos new/1.jpg --class bees    what would speak for bees

methods: {_METHODS}
  grad_cam              cells of the base's last map, coarse and quick
  grad_cam_plus_plus    the same, with weights for things that are many, or large
  integrated_gradients  single pixels, by slopes on the way from a black image
  occlusion             parts that, covered, lower the score; slowest: 169 passes at 224 px
What is bright was looked at; it does not say why, and a wrong answer has bright parts, too.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Draw what in each image speaks for the class that the model says, or for one of your "
        "choice: a PNG file an image, the methods side by side."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "model", metavar="MODEL",
        help="the folder that `tl-keras train` wrote; for --task classify, tag or localize",
    )  # fmt: skip
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files or folders of them")
    parser.add_argument(
        "--method", metavar="NAME,NAME",
        help=f"one or several of {_METHODS}; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME",
        help="the class, or tag, to look for (default: the most probable of each image)",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="DIR", default="explained",
        help="where the pictures go; must not exist yet (default: explained)",
    )  # fmt: skip
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Explain; an image that cannot be read is named, and the others are still explained."""
    from tl_keras.artefact.writing import check_output

    paths = image_files(options.images)
    folder = Path(options.output)
    check_output(folder)
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.explaining import check_explainable
        from tl_keras.artefact.predictor import load
        from tl_keras.evaluation.explaining.methods import METHODS

        predictor = load(options.model)
        asked = list(METHODS) if options.method is None else options.method.split(",")
        methods = list(dict.fromkeys(name.strip() for name in asked))
        check_explainable(predictor, methods, options.class_name)
        found, skipped = _explained(predictor, paths, methods, options.class_name, folder)
    if options.json:
        print_json({"explanations": found, "skipped": skipped})
    else:
        width = max((len(one["path"]) for one in found), default=0)
        for one in found:
            said = f"{one['class_name']} {one['probability']:.3f}"
            print(f"{one['path']:<{width}}  {said}  {one['picture']}")
    return 0 if found and not skipped else 2


def _explained(
    predictor: Any, paths: list[str], methods: list[str], class_name: str | None, folder: Path
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Draw each; what was found of those that can be read, and which cannot."""
    from tl_keras.artefact.explaining import explained
    from tl_keras.cli.drawing import free_name

    found: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    taken: set[str] = set()
    bar = tqdm(total=len(paths), desc="  explaining", unit="image", disable=len(paths) < 2)
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        seen = [(_seen(predictor, path, skipped), path) for path in some]
        readable = [pair for pair in seen if pair[0] is not None]
        if readable:
            images, names = zip(*readable, strict=True)
            for one in explained(predictor, images, names, methods, class_name):
                file = folder / f"{free_name(Path(one.source).stem, taken)}.png"
                _draw(predictor, one, file)
                said = {"class_name": one.class_name, "probability": one.probability}
                found.append({"path": one.source, **said, "picture": str(file)})
        bar.update(len(some))
    bar.close()
    return found, skipped


def _seen(predictor: Any, path: str, skipped: list[dict[str, str]]) -> Any:
    """An image in the model's square; None where it cannot be read."""
    from tl_keras.data.decoding import load_image

    try:
        return load_image(path, predictor.image_size, predictor.resize)
    except InputError as problem:
        skipped.append({"path": path, "reason": str(problem)})
        tqdm.write(f"tl-keras: left out: {problem}", file=sys.stderr)
        return None


def _draw(predictor: Any, one: Any, file: Path) -> None:
    from PIL import Image

    from tl_keras.data.decoding import read_image
    from tl_keras.data.framing import frame_of
    from tl_keras.evaluation.explaining.methods import METHODS
    from tl_keras.evaluation.explaining.pictures import explanation_picture

    frame = frame_of(one.source, predictor.image_size, predictor.resize)
    maps = {METHODS[name].title: heat for name, heat in one.maps.items()}
    title = f"{one.class_name} {one.probability:.2f}"
    picture = explanation_picture(read_image(one.source), maps, frame, title)
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(picture).save(file)
