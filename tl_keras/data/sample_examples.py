"""The built-in sample set as a table with every kind of target."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.examples import Examples
from tl_keras.data.folders import from_folder
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.samples import sample_set


def sample_examples(*, background: bool = False) -> Examples:
    """The generated pictures with labels, tags, boxes and masks, in their parts train and val.

    Args:
        background: put a class ``"background"`` before the others, as segmentation by pixel needs
            it; without it, pixels of no thing are ignored by ``semantic()``.

    Returns:
        The table; classes of boxes and masks are those of the labels.

    Example:
        >>> examples = sample_examples()  # doctest: +SKIP
        >>> examples.tag_names[examples.tags[0].argmax()]  # doctest: +SKIP
        'butterfly'
        >>> sample_examples(background=True).masks[0].semantic(160, 160).max()  # doctest: +SKIP
        np.uint8(5)
    """
    root = sample_set()
    examples = from_folder(root / "images")
    if background:
        labels, names = examples.labels + 1, ("background", *examples.class_names)
        examples = replace(examples, labels=labels, class_names=names)
    told = json.loads((root / "annotations.json").read_text(encoding="utf-8"))
    rows = {image["file_name"]: image for image in told["images"]}
    classes = {c["id"]: examples.class_names.index(c["name"]) for c in told["categories"]}
    things: dict[int, list[dict]] = defaultdict(list)
    for thing in told["annotations"]:
        things[thing["image_id"]].append(thing)
    tags = np.zeros((len(examples), len(told["tags"])), "int8")
    boxes, masks = [], []
    for number, path in enumerate(examples.paths):
        image = rows[f"images/{Path(path).relative_to(examples.root).as_posix()}"]
        tags[number, [told["tags"].index(tag) for tag in image["tags"]]] = 1
        own = things[image["id"]]
        corners = [(x, y, x + w, y + h) for x, y, w, h in (thing["bbox"] for thing in own)]
        kinds = tuple(classes[thing["category_id"]] for thing in own)
        outlines = [thing["segmentation"] for thing in own]
        shapes = tuple(Shape(counts=tuple(o["counts"]), size=tuple(o["size"])) for o in outlines)
        boxes.append(Boxes.of(corners, kinds))
        masks.append(ShapeMask(shapes, kinds, (False,) * len(own), 0 if background else None))
    return replace(
        examples,
        tags=tags,
        tag_names=tuple(told["tags"]),
        boxes=tuple(boxes),
        masks=tuple(masks),
    )
