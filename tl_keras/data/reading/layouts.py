"""What a folder holds, told from the names in it and the first lines of a file or two."""

import re
from collections.abc import Iterator
from pathlib import Path

from tl_keras.data.naming import part_meant
from tl_keras.data.reading.layout import Layout, has_images, holds
from tl_keras.data.reading.layout_masks import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    image_folder_of,
    mask_layouts,
    one_by_one,
)
from tl_keras.data.reading.tfrecord import is_record_name, part_of_file
from tl_keras.data.walking import is_folder, listing

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")

_YOLO_LINE = re.compile(r"\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)
_FOLDERS_LOOKED_INTO = 20
_FILES_OPENED = 50
_PEEK = 2**20  # bytes at each end of a JSON file that are looked at


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
    for look in (mask_layouts, _voc, _coco, _yolo, _records, _saved):
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
    structural = {name.casefold() for name in names} & (MASK_FOLDERS | IMAGE_FOLDERS)
    paired = any(image_folder_of(name, names) for name in names)
    if len(names) < 2 or structural or paired or one_by_one(folders):
        return
    if all(has_images(entry) for entry in folders):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        yield Layout("folder", f"a folder of images per class: {shown}", folder)


def _voc(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    folders = [entry for entry in entries if is_folder(entry)]
    for home in (folder, *folders[:_FOLDERS_LOOKED_INTO]):
        if holds(home, (".xml",)):
            where = "beside the images" if home == folder else f"in {home.name}/"
            yield Layout("voc", f".xml files {where}", folder)
            return


def _coco(folder: Path, entries: list[Path]) -> Iterator[Layout]:
    homes = [e for e in entries if is_folder(e) and (
        part_meant(e.name) or e.name.casefold() in ("annotations", "labels", "json"))]  # fmt: skip
    inner = [file for home in homes for file in listing(home)]
    texts = [file for file in (*entries, *inner) if file.suffix.lower() == ".json"]
    files = [file for file in texts[:_FILES_OPENED] if is_coco(file)]
    if len(files) > 1:  # COCO's own folder has captions and key points of the same images as well
        files = [file for file in files if file.name.startswith("instances")] or files
    parts = {part_meant(file.parent.name) or part_of_file(file): file for file in files}
    said = ", ".join(str(file.relative_to(folder)) for file in files[:3])
    if len(files) > 1 and len(parts) == len(files) and None not in parts:
        yield Layout("coco", f"COCO's annotations in {said}", parts)
        return
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
