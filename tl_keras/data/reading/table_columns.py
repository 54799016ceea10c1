"""Which column of a table means what: as told, or by the names that people use."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tl_keras.data.naming import part_meant
from tl_keras.data.reading.table_files import Table, shown
from tl_keras.data.reading.usual_names import (
    CLASSES,
    CORNERS,
    SIDE_NAMES,
    SIDES,
    TAG,
    USUAL,
    plain,
    separator_in,
)
from tl_keras.errors import InputError


class Plan(NamedTuple):
    """The columns of a table by their meaning; ``None`` for what it has not.

    Attributes:
        image: the files.
        label: the image's class.
        tags: tag columns; of a single one, see ``separated``.
        separated: ``tags`` is one column of several tags each.
        box: ``x1, y1, x2, y2``, or with ``sides`` ``x, y, width, height``, a row per box.
        sides: the last two of ``box`` are sides, not corners.
        box_class: the class of each box.
        ignore: whether a box does not count.
        size: width and height of the image.
        boxes: all boxes of an image in one cell, as ``to_csv`` writes them.
        masks: masks in one cell, likewise.
        group: what a split must not tear apart.
        split: the part.
        digest: the digest of the file when the table was written.
        class_names: classes in an order of their own.

    Example:
        >>> Plan("path", label="class").box is None
        True
    """

    image: str
    label: str | None = None
    tags: tuple[str, ...] = ()
    separated: bool = False
    box: tuple[str, ...] | None = None
    sides: bool = False
    box_class: str | None = None
    ignore: str | None = None
    size: tuple[str, str] | None = None
    boxes: str | None = None
    masks: str | None = None
    group: str | None = None
    split: str | None = None
    digest: str | None = None
    class_names: str | None = None

    def used(self) -> set[str]:
        """All columns that have a meaning; the others are extra."""
        several = (self.tags, self.box or (), self.size or ())
        single = (value for value in self if isinstance(value, str))
        return {*single, *(name for names in several for name in names)}


def find_columns(
    table: Table,
    *,
    image: str | None,
    label: str | bool | None,
    tags: str | Sequence[str] | bool | None,
    boxes: str | Sequence[str] | bool | None,
    group: str | bool | None,
    split: str | bool | None,
) -> Plan:
    """Finds out what each column means; the arguments are those of ``from_csv``.

    Args:
        table: the table.
        image: name of a column, or ``None``: by its usual names.
        label: likewise; ``False``: there is none.
        tags: likewise, or several names.
        boxes: likewise, or four or five names.
        group: as ``label``.
        split: as ``label``.

    Returns:
        The columns by meaning.

    Raises:
        InputError: a column that was named is missing; no column of files, or nothing to learn
            (neither label nor tags nor boxes nor masks) was found.

    Example:
        >>> table = Table("a.csv", {"file": ["1.jpg"], "class": ["cat"]}, [2], [])
        >>> none = dict.fromkeys(("image", "label", "tags", "boxes", "group", "split"))
        >>> find_columns(table, **none).label
        'class'
    """
    by_plain = {plain(name): name for name in reversed(table.columns)}
    box, sides, box_class, cell = _box_columns(table, boxes, by_plain)
    tag_columns, separated = _tag_columns(table, tags, by_plain)
    if box and label in (None, False):
        # Beside a row per box, a column of classes tells those of the boxes.
        box_class = box_class or _usual(table, "box class", by_plain)
        label_column = None
    else:
        label_column = _named(table, "label", label, by_plain)
        box_class = box_class or (label_column if box else None)
    masks = "masks" if _cells_begin(table, "masks", "{") else None
    width, height = (_usual(table, side, by_plain) for side in ("width", "height"))
    plan = Plan(
        image=_image_column(table, image, by_plain),
        label=label_column,
        tags=tag_columns,
        separated=separated,
        box=box,
        sides=sides,
        box_class=box_class,
        ignore=_usual(table, "ignore", by_plain) if box else None,
        size=(width, height) if box and not sides and width and height else None,
        boxes=cell,
        masks=masks,
        group=_named(table, "group", group, by_plain),
        split=_split_column(table, split, by_plain),
        digest="digest" if "digest" in table.columns else None,
        class_names=next((name for name in table.columns if name.startswith(CLASSES)), None),
    )
    if label is None and not (plan.label or plan.tags or plan.box or plan.boxes or plan.masks):
        raise InputError(
            f"{table.path} has nothing to learn: no column called {_listed('label')}, no tags, "
            f"boxes or masks; its columns are {_names(table)}; give label=, tags= or boxes=, or "
            "label=False for images without"
        )
    return plan


def _names(table: Table) -> str:
    names = [shown(name) for name in table.columns]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _listed(meaning: str) -> str:
    return ", ".join(USUAL[meaning][:8])


def _existing(table: Table, argument: str, name: object) -> str:
    if not isinstance(name, str) or name not in table.columns:
        raise InputError(
            f"{table.path} has no column {shown(str(name))} ({argument}=); its columns are "
            f"{_names(table)}"
        )
    return name


def _usual(table: Table, meaning: str, by_plain: dict[str, str]) -> str | None:
    return next((by_plain[name] for name in USUAL[meaning] if name in by_plain), None)


def _named(
    table: Table, argument: str, given: str | bool | None, by_plain: dict[str, str]
) -> str | None:
    if given is False:
        return None
    return _usual(table, argument, by_plain) if given is None else _existing(table, argument, given)


def _image_column(table: Table, given: str | None, by_plain: dict[str, str]) -> str:
    if given is not None:
        return _existing(table, "image", given)
    found = _usual(table, "image", by_plain) or _usual(table, "id", by_plain)
    if found is None:
        raise InputError(
            f"{table.path} has no column of files: none is called {_listed('image')}; its columns "
            f"are {_names(table)}; give image=, and see that the first line is a header"
        )
    return found


def _split_column(table: Table, given: str | bool | None, by_plain: dict[str, str]) -> str | None:
    found = _named(table, "split", given, by_plain)
    if found is None:
        return None
    strange = next((v for v in table.columns[found] if v.strip() and not part_meant(v)), None)
    if strange is None:
        return found
    if given is None:  # something else that happens to be called so
        return None
    raise InputError(
        f"{table.path}: column {shown(found)} (split=) holds {shown(strange)}; expected train, "
        "val or test, or nothing"
    )


def _tag_columns(
    table: Table, given: str | Sequence[str] | bool | None, by_plain: dict[str, str]
) -> tuple[tuple[str, ...], bool]:
    if given is False:
        return (), False
    if given is None:
        written = tuple(name for name in table.columns if name.startswith(TAG))
        usual = _usual(table, "tags", by_plain)
        if written or usual is None or not separator_in(table.columns[usual]):
            return written, False
        return (usual,), True
    if isinstance(given, str):
        return (_existing(table, "tags", given),), True
    names = tuple(_existing(table, "tags", name) for name in given)
    if not names or len(set(names)) < len(names):
        raise InputError("tags= names no column, or one twice; give each column once")
    return names, False


def _cells_begin(table: Table, name: str, mark: str) -> bool:
    cells = table.columns.get(name)
    return cells is not None and all(not cell or cell.startswith(mark) for cell in cells)


def _box_columns(
    table: Table, given: str | Sequence[str] | bool | None, by_plain: dict[str, str]
) -> tuple[tuple[str, ...] | None, bool, str | None, str | None]:
    """The four columns of a row per box, whether by sides, the class's, and that of cells."""
    if given is False:
        return None, False, None, None
    if isinstance(given, str):
        return None, False, None, _existing(table, "boxes", given)
    if given is not None and given is not True:
        names = tuple(_existing(table, "boxes", name) for name in given)
        if len(names) not in (4, 5) or len(set(names)) < len(names):
            raise InputError(
                f"boxes= names {len(names)} columns; give four, e.g. xmin, ymin, xmax, ymax or x, "
                "y, w, h, and maybe that of the class as the fifth"
            )
        sides = plain(names[2]) in SIDE_NAMES and plain(names[3]) in SIDE_NAMES
        return names[:4], sides, names[4] if len(names) == 5 else None, None
    if "boxes" in table.columns and _cells_begin(table, "boxes", "["):
        return None, False, None, "boxes"
    for names, sides in _usual_boxes():
        if all(name in by_plain for name in names):
            return tuple(by_plain[name] for name in names), sides, None, None
    if given is True:
        raise InputError(
            f"{table.path} has no columns of boxes such as xmin, ymin, xmax, ymax or x, y, w, h; "
            f"its columns are {_names(table)}; give boxes= with four names"
        )
    return None, False, None, None


def _usual_boxes() -> Iterator[tuple[tuple[str, ...], bool]]:
    yield from ((names, False) for names in CORNERS)
    yield from ((names, True) for names in SIDES)
