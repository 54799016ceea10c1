"""The names that people give to the columns of their tables."""

import re
from collections.abc import Sequence

#: Beginnings of the names of columns in tables that ``to_csv`` wrote.
TAG, EXTRA, CLASSES = "tag:", "extra:", "classes:"

#: Names of columns by meaning, compared without case, blanks, underscores and the like; the first
#: that is there wins.
USUAL: dict[str, tuple[str, ...]] = {
    "image": (
        *("path", "image", "file", "filename", "filepath", "imagepath", "imagefile", "imagename"),
        *("imagefilename", "img", "imgpath", "imgname", "photo", "picture"),
    ),
    "id": ("id", "imageid", "imgid"),
    "label": (
        *("label", "class", "classname", "category", "target", "labelname", "species", "breed"),
        *("diagnosis", "labels"),
    ),
    "box class": (
        *("class", "classname", "label", "labelname", "category", "categoryname", "name"),
    ),
    "tags": ("tags", "labels", "keywords", "attributes", "classes"),
    "group": ("group", "groupid", "patient", "patientid", "subjectid", "speaker", "speakerid"),
    "split": ("split", "part", "subset", "set", "partition", "usage"),
    "ignore": ("ignore", "iscrowd", "difficult", "isgroupof"),
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}
_SEPARATORS = ("|", ";", ",")
#: Names of the columns of boxes given by two corners.
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
)
#: Names of the columns of boxes given by a corner and their sides.
SIDES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
)
#: Of a third and fourth column, names that make them sides, not corners.
SIDE_NAMES = {"w", "h", "width", "height", "bboxw", "bboxh", "bboxwidth", "bboxheight"}


def plain(name: str) -> str:
    """A column's name as it is compared: letters and digits, in lower case.

    Args:
        name: the name.

    Returns:
        What is left of it.

    Example:
        >>> plain("File Name"), plain("x_min")
        ('filename', 'xmin')
    """
    return re.sub(r"[\W_]+", "", name).casefold()


def separator_in(cells: Sequence[str]) -> str | None:
    """What stands between several tags in one cell.

    Args:
        cells: the cells of a column.

    Returns:
        The first of bar, semicolon and comma that any cell holds, or ``None``.

    Example:
        >>> separator_in(["red", "red|round"])
        '|'
    """
    return next((mark for mark in _SEPARATORS if any(mark in cell for cell in cells)), None)


def is_usual(name: str) -> bool:
    """Whether a column of this name could be taken for something else than an extra one.

    Args:
        name: the name.

    Returns:
        True where it could.

    Example:
        >>> is_usual("path"), is_usual("tag:cotton"), is_usual("price")
        (True, True, False)
    """
    groups = (*USUAL.values(), *CORNERS, *SIDES, ("digest", "boxes", "masks"))
    return name.startswith((TAG, EXTRA, CLASSES)) or any(plain(name) in names for names in groups)
