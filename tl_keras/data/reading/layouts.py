"""What a folder holds, told from the names in it and the first lines of a file or two."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tl_keras.data.naming import part_meant
from tl_keras.data.reading.tfrecord import is_record_name
from tl_keras.data.walking import IMAGE_SUFFIXES, is_folder, listing

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")

_MASK_FOLDERS = {
    *("masks", "mask", "trimaps", "segmentationclass", "segmentationobject", "segmentation"),
    *("segmentations", "semantic", "instances", "groundtruth", "gt"),
}
_IMAGE_FOLDERS = {"images", "image", "imgs", "img", "jpegimages", "photos", "pictures"}
_MASKED = re.compile(r"(.+?)[_-]?(annot|annotations?|masks?|labels?|gt)", re.IGNORECASE)
_YOLO_LINE = re.compile(r"\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)
_LOOKED_AT = 2000  # names within a folder that are looked at
_FOLDERS_LOOKED_INTO = 20
_PEEK = 2**20  # bytes at each end of a JSON file that are looked at


class Layout(NamedTuple):
    """A way in which a folder can be read.

    Attributes:
        format: as :func:`tl_keras.data.open_data` calls it.
        why: what speaks for it.
        source: what the reader of that format takes.

    Example:
        >>> Layout("csv", "it holds styles.csv", Path("styles.csv")).format
        'csv'
    """

    format: str
    why: str
    source: Path


def layouts_of(folder: Path) -> list[Layout]:
    """The ways in which a folder can be read.

    Args:
        folder: exists.

    Returns:
        None, one or several.  Where there is a folder of images per class nothing else counts, and
        a table only where there is nothing else.

    Raises:
        InputError: it cannot be listed.

    Example:
        >>> layouts_of(Path("photos"))  # doctest: +SKIP
        [Layout(format='folder', why='a folder per class: ants, bees', source=PosixPath('photos'))]
    """
    entries = listing(folder)
    found = list(_classes(folder, entries))
    if found:
        return found
    for look in (_masks, _voc, _coco, _yolo, _records, _saved):
        found += look(folder, entries)
    return found or _tables(entries)


def is_coco(file: Path) -> bool:
    """Whether a JSON file looks like COCO's: an object of images, annotations and categories.

    Args:
        file: any file; of a large one, both ends are looked at.

    Example:
        >>> is_coco(Path("annotations.json"))  # doctest: +SKIP
        True
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_PEEK)
            if file.stat().st_size > 2 * _PEEK:
                opened.seek(-_PEEK, 2)
                text += opened.read(_PEEK)
    except OSError:
        return False
    keys = sum(f'"{key}"'.encode() in text for key in ("images", "annotations", "categories"))
    return text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and keys >= 2


def _classes(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    folders = [entry for entry in entries if is_folder(entry)]
    parts = [entry for entry in folders if part_meant(entry.name)]
    if parts and (len(parts) == len(folders) or len({part_meant(p.name) for p in parts}) > 1):
        folders = [inner for part in parts for inner in listing(part) if is_folder(inner)]
    names = list(dict.fromkeys(entry.name for entry in folders))
    structural = {name.casefold() for name in names} & (_MASK_FOLDERS | _IMAGE_FOLDERS)
    paired = any(_plain(name, names) for name in names)
    if len(names) < 2 or structural or paired or _nuclei(folders):
        return
    if all(_has(entry, IMAGE_SUFFIXES, deep=True) for entry in folders):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        yield Layout("folder", f"a folder of images per class: {shown}", folder)


def _masks(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    folders = {entry.name: entry for entry in entries if is_folder(entry)}
    nested = [f for f in folders.values() if part_meant(f.name)]
    for home in (folder, *nested):
        inner = [entry for entry in listing(home) if is_folder(entry)] if home != folder else list(
            folders.values())  # fmt: skip
        masks = [f for f in inner if f.name.casefold() in _MASK_FOLDERS and _has_images(f)]
        if masks and any(f.name.casefold() in _IMAGE_FOLDERS and _has_images(f) for f in inner):
            yield Layout("masks", f"images beside {masks[0].name}/", folder)
            return
    if _nuclei(list(folders.values())):
        yield Layout("masks", "folders with images/ and masks/ each", folder)
        return
    for name in folders:
        image = _plain(name, folders)
        if image and _has_images(folders[name]) and _has_images(folders[image]):
            yield Layout("masks", f"{image}/ beside {name}/", folder)
            return


def _plain(name: str, names: object) -> str | None:
    """The folder of images that a folder of masks is named after: ``train`` of ``trainannot``."""
    match = _MASKED.fullmatch(name)
    return match[1] if match and match[1] in names else None


def _nuclei(folders: list[Path]) -> bool:
    """A folder per image, each with the image and its masks in folders of their own."""
    return bool(folders) and all(
        {"images", "masks"} <= {entry.name.casefold() for entry in listing(folder)}
        for folder in folders[:5]
    )


def _voc(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    folders = [entry for entry in entries if is_folder(entry)]
    for home in (folder, *folders[:_FOLDERS_LOOKED_INTO]):
        if _has(home, (".xml",)):
            where = "beside the images" if home == folder else f"in {home.name}/"
            yield Layout("voc", f".xml files {where}", folder)
            return


def _coco(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    homes = [e for e in entries if is_folder(e) and (
        part_meant(e.name) or e.name.casefold() in ("annotations", "labels", "json"))]  # fmt: skip
    inner = [file for home in homes for file in listing(home)]
    files = [f for f in (*entries, *inner) if f.suffix.lower() == ".json" and is_coco(f)]
    for file in files:
        yield Layout("coco", f"COCO's annotations in {file.relative_to(folder)}", file)


def _yolo(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    for file in entries:
        if file.suffix.lower() in (".yaml", ".yml") and _says_names(file):
            yield Layout("yolo", f"names of classes in {file.name}", file)
            return
    homes = [e for e in entries if is_folder(e) and e.name.casefold() == "labels"]
    for home in (*homes, *(inner for e in homes for inner in listing(e) if is_folder(inner))):
        text = next((file for file in listing(home) if file.suffix.lower() == ".txt"), None)
        if text and _is_yolo(text):
            yield Layout("yolo", f"boxes in {text.relative_to(folder)}", folder)
            return


def _says_names(file: Path) -> bool:
    try:
        return re.search(r"^names\s*:", file.read_text("utf-8", "replace"), re.M) is not None
    except OSError:
        return False


def _is_yolo(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return _YOLO_LINE.fullmatch(opened.readline(10_000)) is not None
    except OSError:
        return False


def _records(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    file = next((e for e in entries if is_record_name(e.name) and not is_folder(e)), None)
    if file:
        yield Layout("tfrecord", f"TFRecord files such as {file.name}", folder)


def _saved(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    names = {entry.name for entry in entries}
    if "dataset_dict.json" in names or {"dataset_info.json", "state.json"} <= names:
        yield Layout("huggingface", "it was written by save_to_disk of Hugging Face", folder)


def _tables(entries: list[Path]) -> list[Layout]:
    files = [entry for entry in entries if entry.suffix.lower() in TABLE_SUFFIXES]
    return [Layout("csv", f"a table, {file.name}", file) for file in files]


def _has_images(folder: Path) -> bool:
    return _has(folder, IMAGE_SUFFIXES, deep=True)


def _has(folder: Path, suffixes: object, deep: bool = False) -> bool:
    """Whether a folder holds a file of that name, among the first some thousand."""
    try:
        found = folder.rglob("*") if deep else folder.iterdir()
        return any(file.suffix.lower() in suffixes for file in islice(found, _LOOKED_AT))
    except OSError:
        return False
