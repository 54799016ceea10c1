"""The built-in sample set as a table with every kind of target."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.examples import Examples
from tl_keras.data.folders import from_folder
from tl_keras.data.samples import sample_set


def sample_examples() -> Examples:
    """The generated pictures with labels, tags and boxes, in their parts train and val.

    Returns:
        The table; boxes' classes are those of the labels.

    Example:
        >>> examples = sample_examples()  # doctest: +SKIP
        >>> examples.tag_names[examples.tags[0].argmax()]  # doctest: +SKIP
        'butterfly'
    """
    root = sample_set()
    examples = from_folder(root / "images")
    told = json.loads((root / "annotations.json").read_text(encoding="utf-8"))
    rows = {image["file_name"]: image for image in told["images"]}
    classes = {c["id"]: examples.class_names.index(c["name"]) for c in told["categories"]}
    things: dict[int, list[dict]] = defaultdict(list)
    for thing in told["annotations"]:
        things[thing["image_id"]].append(thing)
    tags = np.zeros((len(examples), len(told["tags"])), "int8")
    boxes = []
    for number, path in enumerate(examples.paths):
        image = rows[f"images/{Path(path).relative_to(examples.root).as_posix()}"]
        tags[number, [told["tags"].index(tag) for tag in image["tags"]]] = 1
        own = things[image["id"]]
        corners = [(x, y, x + w, y + h) for x, y, w, h in (thing["bbox"] for thing in own)]
        boxes.append(Boxes.of(corners, [classes[thing["category_id"]] for thing in own]))
    return replace(examples, tags=tags, tag_names=tuple(told["tags"]), boxes=tuple(boxes))
