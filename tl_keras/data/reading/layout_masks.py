"""Folders of images beside folders of masks, in the ways that people lay them out."""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tl_keras.data.naming import part_meant
from tl_keras.data.reading.layout import Layout, has_images
from tl_keras.data.walking import IMAGE_SUFFIXES, is_folder, listing

MASK_FOLDERS = {
    *("masks", "mask", "trimaps", "segmentationclass", "segmentation", "segmentations"),
    *("semantic", "groundtruth", "gt"),
}
IMAGE_FOLDERS = {"images", "image", "imgs", "img", "jpegimages", "photos", "pictures"}

_MASKED = re.compile(r"(.+?)[_-]?(annot|annotations?|masks?|labels?|gt)", re.IGNORECASE)
_SAMPLED = 5  # masks that are looked at to tell their kind


def mask_layouts(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    """Images beside masks, in one of four ways.

    ``images/`` beside ``masks/``; the same within ``train/`` and ``val/``; ``train/`` beside
    ``trainannot/``; or a folder per image with ``images/`` and ``masks/`` in it.

    Args:
        folder: where to look.
        entries: what is in it.

    Yields:
        One layout at most.

    Example:
        >>> list(mask_layouts(Path("camvid"), []))
        []
    """
    folders = {entry.name: entry for entry in entries if is_folder(entry)}
    if one_by_one(list(folders.values())):
        yield Layout("masks", "folders with images/ and masks/ each", folder, {"kind": "things"})
        return
    pair = _pair(list(folders.values()))
    pairs = {None: pair} if pair else _pairs_by_part(folders)
    if not pairs:
        return
    images = {part: pair[0] for part, pair in pairs.items()}
    masks = {part: pair[1] for part, pair in pairs.items()}
    first = next(iter(masks.values()))
    if None in images:
        images, masks = images[None], masks[None]
    why = f"images beside {first.relative_to(folder)}/"
    yield Layout("masks", why, images, {"masks": masks, **_kind(first)})


def _pairs_by_part(folders: Mapping[str, Path]) -> dict[str | None, tuple[Path, Path]]:
    """Folders of images and of masks by part; none where two pairs would be the same part."""
    inner = {
        part_meant(name): _pair([entry for entry in listing(home) if is_folder(entry)])
        for name, home in folders.items()
        if part_meant(name)
    }
    if any(inner.values()):
        return {part: pair for part, pair in inner.items() if pair}
    beside = [
        (image, name)
        for name in folders
        if (image := image_folder_of(name, folders)) and has_images(folders[name])
    ]
    parts = {part_meant(image): (folders[image], folders[name]) for image, name in beside}
    return parts if len(parts) == len(beside) else {}


def image_folder_of(name: str, names: Collection[str]) -> str | None:
    """The folder of images that a folder of masks is named after.

    Args:
        name: of the folder of masks.
        names: of all folders beside it.

    Example:
        >>> image_folder_of("trainannot", ["train", "trainannot"])
        'train'
    """
    match = _MASKED.fullmatch(name)
    return match[1] if match and match[1] in names else None


def one_by_one(folders: list[Path]) -> bool:
    """Whether there is a folder per image, each with the image and its masks in folders.

    Args:
        folders: all folders; some are looked at.

    Example:
        >>> one_by_one([])
        False
    """
    return bool(folders) and all(
        {"images", "masks"} <= {entry.name.casefold() for entry in listing(folder)}
        for folder in folders[:_SAMPLED]
    )


def _pair(folders: list[Path]) -> tuple[Path, Path] | None:
    images = [f for f in folders if f.name.casefold() in IMAGE_FOLDERS and has_images(f)]
    masks = [f for f in folders if f.name.casefold() in MASK_FOLDERS and has_images(f)]
    return (images[0], masks[0]) if images and masks else None


def _kind(masks: Path) -> Mapping[str, Any]:
    """What the values of the masks seem to mean; classes by number need their names told."""
    if any(is_folder(entry) and not part_meant(entry.name) for entry in listing(masks)):
        return {"kind": "things"}
    values: set[int] = set()
    for file in islice(_pictures(masks), _SAMPLED):
        try:
            with Image.open(file) as image:
                values.update(np.unique(np.asarray(image)).tolist())
        except Exception:  # the reader will say what is wrong with it
            continue
    if masks.name.casefold() == "trimaps" and values <= {1, 2, 3}:
        return {"kind": "trimap"}
    return {"kind": "binary"} if 255 in values and not values & set(range(1, 100)) else {}


def _pictures(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
