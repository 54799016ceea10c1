"""Which data a model learned from and was measured on, as a section of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from tl_keras.evaluation.report_blocks import facts, figures_table, skipped_list

_SIDES = {"train": "Training", "val": "Validation", "test": "Test", "measured": "Measured"}


def data_section(said: Mapping[str, Any]) -> str:
    """Counts of each class on each side, how the split was made, and what was left out.

    Args:
        said: The contents of ``model.json``: ``task``, ``split`` (or None), ``train_counts``,
            ``train_images`` (each or None), ``skipped`` and, where there are such, ``data``,
            ``split_rule``, ``crossing``.

    Returns:
        HTML.
    """
    split = said.get("split") or {}
    sides = {side: split[side] for side in _SIDES if side in split}
    entries = {
        "Data": said.get("data"),
        "Images": _images(said, sides),
        "Split": _how(said, split),
        "Copies": _copies(split, said.get("crossing", ())),
        "Groups": _groups(split, sides),
        "Fingerprint of the split": split.get("fingerprint"),
    }
    shown = facts({name: value for name, value in entries.items() if value is not None})
    return f"{shown}{_counts(said, sides)}<h3>Files left out</h3>{skipped_list(said['skipped'])}"


def _images(said: Mapping[str, Any], sides: Mapping[str, Any]) -> str | None:
    if sides:
        return ", ".join(f"{side['images']:,} {_SIDES[name].lower()}" for name, side in
                         sides.items())  # fmt: skip
    return None if said["train_images"] is None else f"{said['train_images']:,} training"


def _how(said: Mapping[str, Any], split: Mapping[str, Any]) -> str | None:
    if said.get("split_rule"):
        return str(said["split_rule"])
    if "train" not in split:
        return None
    return "brought by the data" if split.get("brought") else "made before training"


def _copies(split: Mapping[str, Any], crossing: Sequence[Any]) -> str | None:
    if "shared" not in split:
        return None
    shared = split["shared"]["contents"]
    if shared:
        return f"{shared:,} files stand on more than one side, byte for byte: figures flatter"
    left = f"; {len(crossing):,} copies that crossed were left out" if crossing else ""
    return f"no file stands on two sides, byte for byte{left}"


def _groups(split: Mapping[str, Any], sides: Mapping[str, Any]) -> str | None:
    shared = split.get("shared", {}).get("groups")
    if shared is None:
        return None
    counts = ", ".join(
        f"{side.get('groups', 0):,} {_SIDES[name].lower()}" for name, side in sides.items()
    )
    if shared:
        return f"{counts}; {shared:,} stand on more than one side: figures flatter"
    return f"{counts}; none stands on two sides"


def _counts(said: Mapping[str, Any], sides: Mapping[str, Any]) -> str:
    from tl_keras.tasks.registry import get_task

    columns = {
        name: side["counts"] for name, side in sides.items() if side.get("counts") is not None
    }
    notes: list[str] = []
    if "train" not in columns and said["train_counts"]:
        columns = {"train": said["train_counts"], **columns}
        note = get_task(said.get("task", "classify")).counts_note
        notes = [note] if note else []
    names = list(dict.fromkeys(name for counts in columns.values() for name in counts))
    if not names:
        return ""
    rows = [
        {"name": name, **{side: counts.get(name, 0) for side, counts in columns.items()}}
        for name in names
    ]
    if len(names) > 1:
        total = {side: sum(counts.values()) for side, counts in columns.items()}
        rows.append({"name": "in all", **total})
    headings = {_SIDES[side]: side for side in columns}
    return f'<div class="counts">{figures_table(rows, headings, "Class", notes)}</div>'
