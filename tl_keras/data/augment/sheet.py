"""A contact sheet: what a model will see of some images, with their boxes and masks."""

import colorsys
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tl_keras.data.augment.geometry import move_boxes, move_mask, to_square
from tl_keras.data.augment.presets import preset
from tl_keras.data.decoding import read_image
from tl_keras.data.loading import BatchLoader
from tl_keras.data.masks import IGNORE
from tl_keras.errors import InputError

_GAP, _LINE, _TINT = 6, 18, 0.4


def contact_sheet(
    examples: Any,
    presets: Sequence[str] = ("standard",),
    *,
    images: int = 4,
    draws: int = 6,
    image_size: int = 224,
    resize: str = "crop",
    seed: int = 0,
) -> Image.Image:
    """Draws images as the first epochs of a training will show them.

    With one preset a row is an image and the columns are epochs 0, 1, 2, ...; with several, each
    has a column and the epochs follow below each other.  The first column is the image as it is.

    Args:
        examples: ``tl_keras.data.Examples``.
        presets: Names of presets, ``+mixup`` or ``+cutmix`` included.
        images: How many, from as many classes as there are.
        draws: Epochs shown of each.
        image_size: Side of the model's square input, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        seed: Of the choice of images and of the draws.

    Returns:
        Pillow image, RGB.

    Raises:
        InputError: There is no such preset, a number is below 1, or an image cannot be read.

    Example:
        >>> contact_sheet(examples, ["standard"]).save("sheet.png")  # doctest: +SKIP
    """
    for what, number in (("images", images), ("draws", draws)):
        if number < 1:
            raise InputError(f"{what} of a contact sheet are 1 or more; got {number}")
    if not len(examples):
        raise InputError(f"{examples.root or 'the data'} holds no images to show")
    plain = BatchLoader(examples, image_size, resize, seed)
    loaders = {name: _loader(examples, image_size, resize, seed, name) for name in presets}
    rows: list[list[tuple[np.ndarray, str] | None]] = []
    for index in _chosen(examples, images, seed):
        first = (_shown(plain, index, 0), _class_of(examples, index))
        drawn = [
            [(_shown(loader, index, epoch), _caption(loader, index, epoch)) for loader in
             loaders.values()]
            for epoch in range(draws)
        ]  # fmt: skip
        if len(presets) == 1:
            rows.append([first, *(cell for row in drawn for cell in row)])
        else:
            rows += [[first if epoch == 0 else None, *row] for epoch, row in enumerate(drawn)]
    if len(presets) == 1:
        heads = ["as it is", *(f"epoch {epoch}" for epoch in range(draws))]
        title = f"{presets[0]}: {preset(presets[0]).summary}"
    else:
        heads, title = ["as it is", *presets], f"{draws} draws of each preset"
    return _laid_out(rows, heads, f"{title}; {image_size} px, seed {seed}", image_size)


def _loader(examples: Any, size: int, resize: str, seed: int, name: str) -> BatchLoader:
    target = "one_hot" if preset(name).mixing else "labels"
    return BatchLoader(examples, size, resize, seed, name, target=target)


def _chosen(examples: Any, count: int, seed: int) -> list[int]:
    """Positions of images, each class once before any comes twice."""
    order = np.random.default_rng(seed).permutation(len(examples))
    turns: dict[int, int] = {}
    ranked = []
    for place, index in enumerate(order.tolist()):
        label = int(examples.labels[index])
        turns[label] = turns.get(label, 0) + 1
        ranked.append((turns[label], place, index))
    return [index for _, _, index in sorted(ranked)[:count]]


def _shown(loader: BatchLoader, index: int, epoch: int) -> np.ndarray:
    """The image of an epoch with its boxes and its mask drawn over it."""
    image = loader.load(index, epoch)
    examples, size = loader.examples, loader.image_size
    boxes = examples.boxes[index] if examples.boxes is not None else None
    mask = examples.masks[index] if examples.masks is not None else None
    if (mask is None and not boxes) or loader.mixes:
        return image
    height, width = read_image(examples.paths[index]).shape[:2]
    moved = loader.change(index, epoch).matrix
    matrix = moved @ to_square(height, width, size, loader.resize)
    if mask is not None:
        classes = move_mask(mask.semantic(height, width), matrix, (size, size))
        colours = np.array([_colour(number) for number in range(256)], "float32")
        tinted = (1 - _TINT) * image + _TINT * colours[classes]
        image = tinted.astype(np.uint8)
    if boxes:
        corners, kept = move_boxes(boxes.xyxy, matrix, size, size)
        picture = Image.fromarray(image)
        pen = ImageDraw.Draw(picture)
        for corner, label in zip(corners.tolist(), boxes.classes[kept].tolist(), strict=True):
            left, top, right, bottom = corner
            far = (max(left, right - 1), max(top, bottom - 1))
            pen.rectangle((left, top, *far), outline=_colour(label), width=2)
        image = np.asarray(picture)
    return image


def _class_of(examples: Any, index: int) -> str:
    label = int(examples.labels[index])
    return examples.class_names[label] if label >= 0 else ""


def _caption(loader: BatchLoader, index: int, epoch: int) -> str:
    """What is in a mixed image, by its target."""
    if not loader.mixes:
        return ""
    (shares,) = loader.targets_of(np.array([index]), epoch)
    seen = [place for place in np.argsort(-shares, kind="stable") if shares[place] > 0]
    return ", ".join(f"{loader.examples.class_names[place]} {shares[place]:.2f}" for place in seen)


def _colour(number: int) -> tuple[int, int, int]:
    """A colour for a class: neighbours far apart in hue, grey for what is ignored."""
    if number == IGNORE:
        return 128, 128, 128
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.85, 1.0)
    return int(255 * red), int(255 * green), int(255 * blue)


def _laid_out(
    rows: list[list[tuple[np.ndarray, str] | None]], heads: list[str], title: str, size: int
) -> Image.Image:
    captions = any(cell and cell[1] for row in rows for cell in row)
    down = size + _GAP + (_LINE if captions else 0)
    across = size + _GAP
    width, top = _GAP + across * len(heads), 2 * _LINE + _GAP
    sheet = Image.new("RGB", (width, top + down * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)

    def write(left: int, upper: int, text: str, room: int) -> None:
        if font.getlength(text) > room:
            letters = len(text)
            while letters and font.getlength(text[:letters] + "…") > room:
                letters -= max(1, math.ceil(letters / 20))
            text = text[: max(0, letters)] + "…"
        pen.text((left, upper), text, "black", font)

    write(_GAP, 2, title, width - 2 * _GAP)
    for column, head in enumerate(heads):
        write(_GAP + across * column, _LINE + 2, head, size)
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            if cell is None:
                continue
            left, upper = _GAP + across * column, top + down * number
            sheet.paste(Image.fromarray(cell[0]), (left, upper))
            write(left, upper + size, cell[1], size)
    return sheet
