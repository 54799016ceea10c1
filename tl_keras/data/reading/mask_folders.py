"""Pictures and masks in folders: an index per pixel, black and white, trimaps, a file per thing."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tl_keras.data.copies import Listed
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.mask_files import THRESHOLD, UNKNOWN, ClassMask, ThingMask
from tl_keras.data.masks import IGNORE, Mask
from tl_keras.data.naming import class_name
from tl_keras.data.reading.mask_pairs import Pair, pair_files, pair_things
from tl_keras.errors import InputError

_VALUES = 256
_KINDS = ("index", "binary", "trimap", "things")
_BACKGROUND = "background"
_UNCOUNTED = ("void", "ignore")


def from_masks(
    images: str | os.PathLike | Mapping[str, str | os.PathLike],
    masks: str | os.PathLike | Mapping[str, str | os.PathLike] | None = None,
    *,
    kind: str = "index",
    class_names: Sequence[str] | Mapping[int, str] | None = None,
    ignore: int | Sequence[int] | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Reads pictures and the masks that lie in further picture files.

    A mask belongs to the picture of its own name (but for the ending, and maybe a tail ``_mask``,
    ``_L``, ``_gt`` or the like) in the same place below its folder.  Kinds:

    * ``"index"``: the value of a pixel is its class.  ``class_names`` names the values 0, 1, ...
      in order, or is ``{value: name}``; a value that is neither named nor to be ignored makes a
      mask unsound.
    * ``"binary"``: above 127 the thing, else background; ``class_names`` are these two, background
      first (``("background", "foreground")``).
    * ``"trimap"``: 1 the thing, 2 background, 3 the border between, which is ignored (Oxford-IIIT
      Pet); ``class_names`` as for binary.
    * ``"things"``: each picture ``<name>/images/*`` has a black-and-white mask for each thing in
      ``<name>/masks/*`` (Data Science Bowl 2018), or ``masks/<name>/*`` for ``images/<name>.png``;
      ``class_names`` as for binary, or one name alone: then there is no background.

    Args:
        images: folder of the pictures, or one for each part: ``{"train": ..., "val": ...}``.
        masks: folder of the masks, likewise; ``None``: the same folder.  Where pictures and masks
            lie in one folder, those of PNG beside a picture of another ending are the masks.
        kind: ``"index"``, ``"binary"``, ``"trimap"`` or ``"things"``.
        class_names: see above.
        ignore: value, or values, of pixels that are of no class; by default those that are named
            ``"void"`` or ``"ignore"``, and 255 unless it is named otherwise.
        strict: stop at what would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, without labels, in natural order; each picture has a mask.  A picture without
        one, a mask without picture, and pairs whose mask is unsound or of another size are in
        ``skipped``.

    Raises:
        InputError: no such folder, no pairs, names that do not fit the kind, or, under
            ``strict``, anything left out.

    Example:
        >>> from_masks({"train": "camvid/train", "val": "camvid/val"},
        ...            {"train": "camvid/trainannot", "val": "camvid/valannot"},
        ...            class_names=["sky", "building"], ignore=11)  # doctest: +SKIP
    """
    if kind not in _KINDS:
        raise InputError(f"kind {kind!r} is none of {', '.join(_KINDS)}; give one of these")
    skipped: list[Skipped] = []
    names, values = _meaning(kind, class_names, ignore)
    pairs = _pairs(images, masks, kind, skipped)
    found: list[Mask] = []
    for pair in pairs:
        if kind == "things":
            classes = (len(names) - 1,) * len(pair.masks)
            found.append(ThingMask(pair.masks, classes, 0 if len(names) > 1 else None))
        else:
            found.append(ClassMask(pair.masks[0], values, _index(names)))
    return assemble(
        [Listed(pair.image, None, pair.part) for pair in pairs],
        root=str(next(iter(images.values())) if isinstance(images, Mapping) else images),
        class_names=names,
        masks=found,
        skipped=skipped,
        strict=strict,
        progress=progress,
    )


def _index(names: tuple[str, ...]) -> int | None:
    folded = [name.casefold() for name in names]
    return folded.index(_BACKGROUND) if _BACKGROUND in folded else None


def _meaning(
    kind: str,
    class_names: Sequence[str] | Mapping[int, str] | None,
    ignore: int | Sequence[int] | None,
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes, and the class of each value of a pixel."""
    if kind == "index":
        return _indices(class_names, ignore)
    if isinstance(class_names, (str, Mapping)):
        raise InputError(f"class_names of {kind} masks is no list of names; give two names")
    given = (_BACKGROUND, "foreground") if class_names is None else class_names
    names = tuple(class_name(name) for name in given)
    if len(names) not in ((1, 2) if kind == "things" else (2,)) or len(set(names)) < len(names):
        raise InputError(
            f"{len(names)} class names for {kind} masks; give two that differ, background first"
        )
    if ignore is not None:
        raise InputError(f"ignore is for index masks; {kind} masks say themselves what to ignore")
    if kind == "trimap":
        return names, (UNKNOWN, 1, 0, IGNORE, *(UNKNOWN,) * (_VALUES - 4))
    return names, (*(0,) * (THRESHOLD + 1), *(1,) * (_VALUES - THRESHOLD - 1))


def _indices(
    class_names: Sequence[str] | Mapping[int, str] | None, ignore: int | Sequence[int] | None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    if not class_names or isinstance(class_names, str):
        raise InputError(
            "index masks need class_names (--classes): the classes of the values 0, 1, ... in "
            "order (void: not counted), or {value: name}; masks that are dark and light alone: "
            "kind='binary' (--masks binary)"
        )
    if isinstance(class_names, Mapping):
        named = {value: class_name(name) for value, name in class_names.items()}
    else:
        named = {value: class_name(name) for value, name in enumerate(class_names)}
    if ignore is None:
        void = (IGNORE, *(value for value in named if named[value].casefold() in _UNCOUNTED))
        named = {value: name for value, name in named.items() if value not in void[1:]}
    else:
        void = (ignore,) if isinstance(ignore, int) else tuple(ignore)
    for value in (*named, *void):
        if not isinstance(value, int) or not 0 <= value < _VALUES:
            raise InputError(f"{value!r} is no value of a mask's pixel; give numbers from 0 to 255")
    both = next((value for value in void if value in named and ignore is not None), None)
    if both is not None:
        raise InputError(f"the value {both} is a class and to be ignored; give one of the two")
    names = tuple(dict.fromkeys(named[value] for value in sorted(named)))
    if not names:
        raise InputError("every value of the masks is to be ignored; name a class besides")
    if len(names) > IGNORE:
        raise InputError(f"{len(names)} classes by pixel; {IGNORE} at most can be told apart")
    values = [UNKNOWN] * _VALUES
    for value in void:
        values[value] = IGNORE
    for value, name in named.items():
        values[value] = names.index(name)
    return names, tuple(values)


def _pairs(
    images: str | os.PathLike | Mapping[str, str | os.PathLike],
    masks: str | os.PathLike | Mapping[str, str | os.PathLike] | None,
    kind: str,
    skipped: list[Skipped],
) -> list[Pair]:
    by_part = images if isinstance(images, Mapping) else {None: images}
    if masks is not None and isinstance(masks, Mapping) != isinstance(images, Mapping):
        raise InputError("images and masks: give both as a folder, or both as {part: folder}")
    mask_parts = masks if isinstance(masks, Mapping) else {None: masks}
    pairs: list[Pair] = []
    for part, folder in by_part.items():
        if masks is not None and part not in mask_parts:
            raise InputError(f"masks have no folder for the part {part!r}; give one")
        beside = folder if masks is None else mask_parts[part]
        pair = pair_things if kind == "things" else pair_files
        pairs += pair(folder, beside, part, skipped)
    if not pairs:
        first = f": {Path(skipped[0].path).name}: {skipped[0].reason}" if skipped else ""
        raise InputError(
            f"no picture has a mask{first}; a mask bears its picture's name, in the same place "
            "below masks="
        )
    return pairs
