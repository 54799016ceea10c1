"""Tables of images: CSV, TSV and Parquet, with whatever columns people give them."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.data.copies import Listed
from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.masks import Mask
from tl_keras.data.naming import class_name, natural_key, part_meant
from tl_keras.data.reading.box_cells import boxes_from_cell, boxes_from_rows
from tl_keras.data.reading.image_paths import ImageFinder, folders_beside
from tl_keras.data.reading.mask_cells import classes_in_cell, mask_from_cell, parse_mask_cell
from tl_keras.data.reading.table_columns import Plan, find_columns
from tl_keras.data.reading.table_files import Table, read_table, shown
from tl_keras.data.reading.tag_cells import read_tags
from tl_keras.data.reading.usual_names import CLASSES, EXTRA
from tl_keras.data.walking import folder_given
from tl_keras.errors import InputError


def from_csv(
    path: str | os.PathLike,
    *,
    image: str | None = None,
    label: str | bool | None = None,
    tags: str | Sequence[str] | bool | None = None,
    boxes: str | Sequence[str] | bool | None = None,
    group: str | bool | None = None,
    split: str | bool | None = None,
    root: str | os.PathLike | None = None,
    separator: str | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Reads a table with a row per image (or per box) and a header: CSV, TSV or Parquet.

    Columns that are not named are found by their usual names (``path``, ``image``, ``filename``;
    ``label``, ``class``; ``tags``; ``xmin``, ``ymin``, ``xmax``, ``ymax``; ``split``; ``group``
    ...); ``False`` says that there is none.  What has no meaning goes into ``extra``.

    * *Files* are sought beside the table, in ``images/`` and the like there and one level up, or
      in ``root``; an id stands for the one picture of that name.
    * *Tags* see :func:`tl_keras.data.reading.tag_cells.read_tags`: one column of several each
      (``tags="tags"``), or several columns of 0 and 1 or of categories
      (``tags=["colour", "gender"]`` makes ``colour=red``); empty is not known, -1.
    * *Boxes*: a row per box, its corners or ``x, y, width, height`` in px or all as shares 0..1;
      a row without numbers is an image without boxes.  A column of classes is then that of the
      boxes, unless ``label`` names it.  Columns of width and height beside corners are the size
      of the image; columns that differ between the boxes of an image are theirs and left out.
      What happens to odd boxes, :func:`tl_keras.data.drawn.settle` says.
    * *Labels* in an otherwise empty table: rows without one are left out.  Beside tags, boxes or
      masks they stay, labelled -1.
    * A table that ``examples.to_csv()`` wrote comes back as it was, its files checked against
      the digests written down.

    Args:
        path: the table; text in UTF-8 or UTF-16, separated by comma, semicolon, tab or bar.
        image: column of the files.
        label: column of the classes.
        tags: column of tags, or several columns.
        boxes: four columns, or five with the class of the box; ``False``: none.
        group: column of what a split must not tear apart: patient, speaker, product.
        split: column of the parts: train, val, test, or empty.
        root: folder that the files are relative to.
        separator: between several tags in one cell.
        strict: stop at what would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, in the order of the rows (of their first boxes); what was left out, rows and
        boxes, is in ``skipped`` with its reason.

    Raises:
        InputError: no such table or column, nothing to learn in it, labels of fewer than two
            classes, no readable image, or, under ``strict``, anything left out.

    Example:
        >>> from_csv("fashion/styles.csv", tags=["articleType", "gender"])  # doctest: +SKIP
        Examples(1998 images, {}, 2 left out)
    """
    table = read_table(path)
    plan = find_columns(
        table, image=image, label=label, tags=tags, boxes=boxes, group=group, split=split
    )
    _check_text(table, plan)
    skipped = list(table.skipped)
    rows = _images(table, plan, skipped)
    finder = ImageFinder(
        [folder_given(root, "your images")] if root else folders_beside(table.path)
    )
    targets = _targets(table, plan, rows, skipped)
    firsts = [positions[0] for positions in targets.rows]
    tag_array, tag_names = read_tags(table, plan, separator) if plan.tags and firsts else (None, ())

    def column(name: str) -> list[str]:
        cells = table.columns[name]
        return [cells[i] for i in firsts]

    paths = column(plan.image)
    found = {name: finder.find(name) for name in dict.fromkeys(paths)}
    labels = [class_name(cell.strip()) or None for cell in column(plan.label)] if plan.label else []
    splits = [part_meant(cell) for cell in column(plan.split)] if plan.split else []
    files = [
        Listed(
            found[name],
            labels[k] if plan.label else None,
            splits[k] if plan.split else None,
        )
        for k, name in enumerate(paths)
    ]
    return assemble(
        files,
        root=table.path,
        class_names=targets.class_names,
        tags=None if tag_array is None else tag_array[firsts],
        tag_names=tag_names,
        drawn=targets.drawn,
        masks=targets.masks,
        groups=[cell.strip() or None for cell in column(plan.group)] if plan.group else None,
        extra={name: column(key) for name, key in _extra(table, plan, targets.rows).items()},
        digests=column(plan.digest) if plan.digest else None,
        skipped=skipped,
        every_class=False,
        strict=strict,
        progress=progress,
    )


class _Targets(NamedTuple):
    rows: list[list[int]]
    drawn: list[Drawn] | None
    masks: list[Mask | None] | None
    class_names: tuple[str, ...]


def _check_text(table: Table, plan: Plan) -> None:
    """File names may be any bytes, all else must be text."""
    for name, cells in table.columns.items():
        if name != plan.image and any(not cell.isascii() for cell in cells):
            try:
                "".join(cells).encode()
            except UnicodeEncodeError as error:
                bad = error.object[max(0, error.start - 10) : error.start + 10]
                raise InputError(
                    f"{table.path}: column {shown(name)} is not UTF-8 ({shown(bad)}); save the "
                    "table as UTF-8"
                ) from None


def _images(table: Table, plan: Plan, skipped: list[Skipped]) -> list[list[int]]:
    """Per image the positions of its rows: one, or as many as it has boxes."""
    cells = table.columns[plan.image]
    only_label = plan.label and not (plan.tags or plan.box or plan.boxes or plan.masks)
    labels = table.columns[plan.label] if only_label else None
    # A table of our own with no label at all is one of images without.
    bare = labels is not None and plan.digest and not any(cell.strip() for cell in labels)
    rows: list[list[int]] = []
    by_name: dict[str, list[int]] = {}
    for i, cell in enumerate(cells):
        if not cell:
            skipped.append(Skipped(table.path, f"row {table.numbers[i]}: names no file"))
        elif labels is not None and not bare and not labels[i].strip():
            skipped.append(Skipped(cell, f"row {table.numbers[i]}: has no label"))
        elif plan.box and cell in by_name:
            by_name[cell].append(i)
        else:
            by_name[cell] = [i]
            rows.append(by_name[cell])
    if plan.box:
        rows = [positions for positions in rows if _agree(table, plan, positions, skipped)]
    return rows


def _agree(table: Table, plan: Plan, rows: list[int], skipped: list[Skipped]) -> bool:
    """Whether all rows of an image say the same of it."""
    for meaning in ("label", "split", "group"):
        name = getattr(plan, meaning)
        if name is None:
            continue
        cells = table.columns[name]
        other = next((i for i in rows if cells[i].strip() != cells[rows[0]].strip()), None)
        if other is None:
            continue
        numbers = f"rows {table.numbers[rows[0]]} and {table.numbers[other]}"
        values = f"{shown(cells[rows[0]])} and {shown(cells[other])}"
        image = table.columns[plan.image][rows[0]]
        if meaning == "label":
            raise InputError(
                f"{table.path}: {numbers}, of one image, are labelled {values}; if that is the "
                f"class of each box, give it as the fifth of boxes=, not as label={shown(name)}"
            )
        skipped.append(Skipped(image, f"{numbers} disagree about its {meaning}: {values}"))
        return False
    return True


def _targets(table: Table, plan: Plan, rows: list[list[int]], skipped: list[Skipped]) -> _Targets:
    """Boxes and masks; rows whose cells cannot be read are left out."""
    ordered = _class_order(table, plan)
    if plan.box:
        return _Targets(rows, boxes_from_rows(table, plan, rows, skipped), None, ordered)
    drawn: list[Drawn] = []
    cells: list[dict[str, Any] | None] = []
    kept = []
    for positions in rows:
        i = positions[0]
        row = f"row {table.numbers[i]}"
        try:
            text = table.columns[plan.masks][i] if plan.masks else ""
            cell = parse_mask_cell(text, row) if text else None
            if plan.boxes:
                drawn.append(boxes_from_cell(table.columns[plan.boxes][i], table.path, row))
        except InputError as error:
            skipped.append(Skipped(table.path, str(error)))
            continue
        kept.append(positions)
        cells.append(cell)
    if not plan.masks:
        return _Targets(kept, drawn if plan.boxes else None, None, ordered)
    labels = table.columns[plan.label] if plan.label else ()
    names = [class_name(label.strip()) for label in labels if label.strip()]
    names += [class_name(name) for cell in cells if cell for name in classes_in_cell(cell)]
    ordered = _ordered(ordered, [*names, *(name for boxes in drawn for name in boxes.names)])
    index = {name: number for number, name in enumerate(ordered)}
    base = Path(table.path).parent
    masks = [
        mask_from_cell(cell, index, lambda file: str(base / file)) if cell else None
        for cell in cells
    ]
    return _Targets(kept, drawn if plan.boxes else None, masks, ordered)


def _class_order(table: Table, plan: Plan) -> tuple[str, ...]:
    if plan.class_names is None:
        return ()
    try:
        names = json.loads(plan.class_names.removeprefix(CLASSES))
        return tuple(dict.fromkeys(class_name(name) for name in names))
    except (ValueError, TypeError, RecursionError):
        raise InputError(
            f"{table.path}: the column {shown(plan.class_names)} holds no JSON list of classes; "
            "take the column away or write the table anew"
        ) from None


def _ordered(first: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
    return (*first, *sorted(set(names).difference(first), key=natural_key))


def _extra(table: Table, plan: Plan, rows: list[list[int]]) -> dict[str, str]:
    """Name in ``extra`` -> column of the table, of those that belong to the images."""
    used = plan.used()
    several = [positions for positions in rows if len(positions) > 1]
    found = {}
    for name, cells in table.columns.items():
        if name in used:
            continue
        if all(len({cells[i] for i in positions}) == 1 for positions in several):
            found[name.removeprefix(EXTRA)] = name
    return found
