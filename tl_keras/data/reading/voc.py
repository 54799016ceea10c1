"""VOC: an XML file of boxes for each image."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from tl_keras.data.copies import Listed
from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import PARTS, Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.naming import class_name, part_meant
from tl_keras.data.reading.image_paths import IMAGE_FOLDERS
from tl_keras.data.reading.numbers import finite, size_of
from tl_keras.data.reading.xml_files import read_xml
from tl_keras.data.walking import folder_given, is_folder, walk
from tl_keras.errors import InputError

_XML_FOLDERS = ("Annotations", "annotations/xmls", "annotations", "xmls")
_NO_PICTURES = (".xml", ".txt", ".json", ".yaml", ".yml", ".csv", ".md", ".html", ".pbtxt")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def from_voc(
    folder: str | os.PathLike,
    *,
    images: str | os.PathLike | None = None,
    annotations: str | os.PathLike | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Reads images with boxes in VOC's XML.

    Laid out as VOC does (``JPEGImages``, ``Annotations``, ``ImageSets/Main/{train,val,test}.txt``)
    or loosely: ``images`` and ``xmls``, or pictures and XML files side by side, maybe below
    ``train``, ``valid`` and ``test``.  An annotation belongs to the picture of its own name, else
    to the one it names.  Corners are taken as they stand (VOC's own count from 1: a shift of one
    pixel at most); ``difficult`` boxes are to be ignored.  Of a picture in several lists, the
    later of train, val, test counts; ``trainval.txt`` only where neither of its parts stands.
    A picture without annotation has no boxes; one whose annotation is unreadable is left out.
    What happens to odd boxes, :func:`tl_keras.data.drawn.settle` says.

    Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html

    Args:
        folder: the folder.
        images: the folder of the pictures, where it is called otherwise.
        annotations: the folder of the XML files, likewise.
        strict: stop at what would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, without labels, in natural order of the pictures' paths; classes are those of
        the boxes, in natural order.

    Raises:
        InputError: no such folder, no XML files or no pictures in it, or, under ``strict``,
            anything left out.

    Example:
        >>> from_voc("VOCdevkit/VOC2012")  # doctest: +SKIP
        Examples(17125 images, {}, 0 left out)
    """
    root = folder_given(folder, "VOC annotations")
    xml_root = _folder(root, annotations, _XML_FOLDERS, "the XML files")
    image_root = _folder(root, images, IMAGE_FOLDERS, "the pictures")
    skipped: list[Skipped] = []
    xmls = [file for file in walk(xml_root, skipped) if file.lower().endswith(".xml")]
    if not xmls:
        raise InputError(f"{xml_root} holds no XML files; give their folder as annotations=")
    skipped_here = skipped if image_root != xml_root else []
    pictures = [f for f in walk(image_root, skipped_here) if not f.lower().endswith(_NO_PICTURES)]
    if image_root == xml_root:
        # Whatever else lies in the folder, pictures lie beside their annotations.
        beside = {os.path.dirname(file) for file in xmls}  # noqa: PTH120 (thousands)
        pictures = [file for file in pictures if os.path.dirname(file) in beside]  # noqa: PTH120
    if not pictures:
        raise InputError(f"{image_root} holds no pictures; give their folder as images=")
    drawn = _annotations(xmls, pictures, xml_root, image_root, skipped)
    kept = [file for file in pictures if drawn.get(file, 0) is not None]
    splits = _splits(root, image_root, kept, skipped)
    return assemble(
        [Listed(file, None, splits.get(file)) for file in kept],
        root=str(root),
        drawn=[drawn.get(file) or Drawn(file) for file in kept],
        skipped=skipped,
        strict=strict,
        progress=progress,
    )


def _folder(root: Path, given: str | os.PathLike | None, usual: Sequence[str], what: str) -> Path:
    if given is not None:
        return folder_given(given, what)
    return next((root / name for name in usual if is_folder(root / name)), root)


def _stem(path: str, root: Path) -> str:
    """Path below the root without ending, in Unicode's NFC."""
    return unicodedata.normalize("NFC", os.path.splitext(path)[0][len(str(root)) :])  # noqa: PTH122


def _annotations(
    xmls: list[str],
    pictures: list[str],
    xml_root: Path,
    image_root: Path,
    skipped: list[Skipped],
) -> dict[str, Drawn | None]:
    """What was drawn on each picture that has an annotation; ``None``: unreadable."""
    by_stem: dict[str, str] = {}
    by_name: dict[str, str | None] = {}
    for file in reversed(pictures):
        by_stem[_stem(file, image_root)] = file
        for name in {os.path.basename(file), os.path.splitext(os.path.basename(file))[0]}:  # noqa: PTH119, PTH122
            name = unicodedata.normalize("NFC", name)
            by_name[name] = None if name in by_name else file
    drawn: dict[str, Drawn | None] = {}
    owner: dict[str, str] = {}
    for xml in xmls:
        file = by_stem.get(_stem(xml, xml_root)) or by_name.get(_stem(xml, Path(xml).parent)[1:])
        fault, root = None, None
        try:
            root = read_xml(xml)
            if root.tag != "annotation":
                fault = f"an XML file of <{root.tag[:40]}>, not of <annotation>"
        except InputError as error:
            fault = str(error)
        if file is None and root is not None and not fault:
            named = (root.findtext("filename") or "").strip().replace("\\", "/")
            file = by_name.get(unicodedata.normalize("NFC", named.rsplit("/", 1)[-1]))
        if file is None:
            skipped.append(Skipped(xml, fault or "no picture of its name, nor the one it names"))
        elif file in owner:
            skipped.append(Skipped(xml, f"{file} has an annotation already, {owner[file]}"))
        else:
            owner[file] = xml
            drawn[file] = None if fault else _drawn(root, xml, skipped)
            if fault:
                skipped.append(Skipped(file, f"its annotation {xml}: {fault}"))
    return drawn


def _drawn(root: Element, xml: str, skipped: list[Skipped]) -> Drawn:
    xyxy, names, rows, ignore = [], [], [], []
    for number, thing in enumerate(root.findall("object"), 1):
        name = class_name((thing.findtext("name") or "").strip())
        corners = [finite(thing.findtext(f"bndbox/{corner}")) for corner in _CORNERS]
        if not name:
            skipped.append(Skipped(xml, f"object {number}: has no name"))
        elif None in corners:
            skipped.append(Skipped(xml, f"object {number} ({name}): has no box of four numbers"))
        else:
            xyxy.append(corners)
            names.append(name)
            rows.append(f"object {number}")
            ignore.append((thing.findtext("difficult") or "").strip() == "1")
    size = size_of(root.findtext("size/width"), root.findtext("size/height"))
    return Drawn(xml, xyxy, names, rows, ignore, size)


def _splits(
    root: Path, image_root: Path, pictures: list[str], skipped: list[Skipped]
) -> dict[str, str | None]:
    """The part of each picture, by the lists, else by the folder that it lies in."""
    lists = _lists(root)
    if not lists:
        below = len(str(image_root)) + 1
        return {file: part_meant(file[below:].split(os.sep, 1)[0]) for file in pictures}
    by_stem = {_stem(file, image_root)[1:]: file for file in reversed(pictures)}
    left_out = {_stem(skip.path, Path(skip.path).parent)[1:] for skip in skipped}
    splits: dict[str, str | None] = {}
    for part in PARTS:
        for path in lists.get(part, ()):
            for line in path.read_text("utf-8", "surrogateescape").splitlines():
                stem = unicodedata.normalize("NFC", line.strip())
                words = stem.split()
                file = by_stem.get(stem) or (by_stem.get(words[0]) if words else None)
                if file:
                    splits[file] = part
                elif words and stem not in left_out:
                    skipped.append(Skipped(str(path), f"lists {stem[:80]!r}: no such picture"))
    return splits


def _lists(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in (root / "ImageSets" / "Main", root / "ImageSets"):
        for part in PARTS:
            path = folder / f"{part}.txt"
            if path.is_file() and part not in found:
                found[part] = [path]
        both = folder / "trainval.txt"
        if both.is_file() and not found.keys() & {"train", "val"}:
            found["train"] = [both]
    return found
