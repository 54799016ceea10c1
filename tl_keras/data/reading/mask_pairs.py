"""Which mask belongs to which picture, by their names."""

import os
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tl_keras.data.examples import Skipped
from tl_keras.data.naming import part_meant
from tl_keras.data.walking import IMAGE_SUFFIXES, folder_given, is_folder, walk
from tl_keras.errors import InputError

# Tails that tools and data sets put behind a mask's name.
_TAILS = (
    "_mask",
    "-mask",
    "_masks",
    "_L",
    "_gt",
    "_GT",
    "_label",
    "_labels",
    "_seg",
    "_segmentation",
)


class Pair(NamedTuple):
    """A picture and the files of its mask.

    Attributes:
        image: the picture.
        masks: one file, or one for each thing.
        part: ``"train"``, ``"val"``, ``"test"`` or ``None``.

    Example:
        >>> Pair("a.jpg", ("a.png",), None).masks
        ('a.png',)
    """

    image: str
    masks: tuple[str, ...]
    part: str | None


def _part(name: str | None) -> str | None:
    if name is None:
        return None
    part = part_meant(str(name))
    if part is None:
        raise InputError(f"the part {name!r} is none of train, val and test; name it so")
    return part


def _below(path: str, root: Path) -> tuple[str, str]:
    """Path below the root without ending, in Unicode's NFC, and the ending."""
    stem, suffix = os.path.splitext(path)  # noqa: PTH122 (thousands)
    return unicodedata.normalize("NFC", stem[len(str(root)) + 1 :]), suffix.lower()


def pair_files(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    part: str | None,
    skipped: list[Skipped],
) -> list[Pair]:
    """Pairs of a picture and its one mask.

    Args:
        images: folder of the pictures.
        masks: folder of the masks, maybe the same.
        part: their part, in any spelling.
        skipped: files without a partner are added here.

    Returns:
        The pairs, in natural order of the pictures.

    Raises:
        InputError: no such folder, or no such part.

    Example:
        >>> pair_files("no/such", "masks", None, [])
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such does not exist; give the folder of the pictures
    """
    image_root = folder_given(images, "the pictures")
    mask_root = folder_given(masks, "the masks")
    files = walk(image_root, skipped)
    if mask_root == image_root:
        pictures, found = _told_apart(files, image_root)
    else:
        # One may lie in the other; then the files of the inner one are not those of the outer.
        inner, outer = mask_root, image_root
        if mask_root in image_root.parents:
            inner, outer = image_root, mask_root
        nested = outer in inner.parents
        found = walk(mask_root, [])
        pictures = files
        if nested:
            within = str(inner) + os.sep
            if inner == mask_root:
                pictures = [file for file in files if not file.startswith(within)]
            else:
                found = [file for file in found if not file.startswith(within)]
    by_stem: dict[str, list[str]] = defaultdict(list)
    for file in found:
        stem, suffix = _below(file, mask_root)
        if suffix in IMAGE_SUFFIXES:
            by_stem[stem].append(file)
            for tail in _TAILS:
                if stem.endswith(tail):
                    by_stem[stem.removesuffix(tail)].append(file)
    pairs, used = [], set()
    for picture in pictures:
        candidates = by_stem.get(_below(picture, image_root)[0], ())
        if len(candidates) == 1:
            pairs.append(Pair(picture, (candidates[0],), _part(part)))
        else:
            reason = "has no mask" if not candidates else f"has masks: {', '.join(candidates[:3])}"
            skipped.append(Skipped(picture, reason))
        used.update(candidates)
    skipped += [Skipped(file, "a mask without a picture") for file in found if file not in used]
    return pairs


def _told_apart(files: list[str], root: Path) -> tuple[list[str], list[str]]:
    """Pictures and masks of one folder: by a tail of the name, else PNG beside another ending."""
    endings: dict[str, set[str]] = defaultdict(set)
    for file in files:
        stem, suffix = _below(file, root)
        if suffix in IMAGE_SUFFIXES:
            endings[stem].add(suffix)
    pictures, masks = [], []
    for file in files:
        stem, suffix = _below(file, root)
        tailed = any(stem.endswith(t) and stem.removesuffix(t) in endings for t in _TAILS)
        beside = suffix == ".png" and len(endings[stem]) > 1
        (masks if tailed or beside else pictures).append(file)
    return pictures, masks


def pair_things(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    part: str | None,
    skipped: list[Skipped],
) -> list[Pair]:
    """Pairs of a picture and the masks of its things.

    Args:
        images: folder of the pictures, or of ``<name>/images`` and ``<name>/masks``.
        masks: folder of ``<name>/*``, or the same.
        part: their part, in any spelling.
        skipped: pictures and folders without a partner are added here.

    Returns:
        The pairs, in natural order of the pictures.

    Raises:
        InputError: no such folder, or no such part.

    Example:
        >>> pair_things("no/such", "masks", None, [])
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such does not exist; give the folder of the pictures
    """
    image_root = folder_given(images, "the pictures")
    mask_root = folder_given(masks, "the masks")
    things: dict[str, list[str]] = defaultdict(list)
    for file in walk(mask_root, skipped if mask_root == image_root else []):
        folder = Path(file).parent
        inside = folder.name.casefold() == "masks" if mask_root == image_root else True
        if inside and Path(file).suffix.lower() in IMAGE_SUFFIXES:
            things[str(folder)].append(file)
    pairs, used = [], set()
    for file in walk(image_root, []):
        own = Path(file)
        if str(own.parent) in things or own.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        stem = _below(file, image_root)[0]
        places = [mask_root / stem]
        if mask_root == image_root:
            places = [own.parent.parent / "masks", own.parent / "masks"]
        place = next((str(p) for p in places if str(p) in things or is_folder(p)), None)
        if place is None:
            skipped.append(Skipped(file, "has no folder of masks"))
            continue
        if place in used:
            skipped.append(Skipped(file, f"the masks in {place} belong to another picture"))
            continue
        used.add(place)
        pairs.append(Pair(file, tuple(things.get(place, ())), _part(part)))
    unused = [folder for folder in things if folder not in used]
    skipped += [Skipped(folder, "masks without a picture") for folder in unused]
    return pairs
