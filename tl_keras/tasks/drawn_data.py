"""What the tasks that learn boxes and masks ask of their data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.tasks.task import column_of

_READ = {
    "boxes": "tl_keras.data.from_voc, from_coco, from_yolo or from_csv",
    "masks": "tl_keras.data.from_masks, from_coco or from_yolo",
}


def drawn_table(
    data: Any, column: str, names: Sequence[str] | None, drop: Sequence[str] = ("background",)
) -> Any:
    """A table that has a column of boxes or masks, with its classes in the order of ``names``.

    Args:
        data: ``Examples``, or arrays, which are returned as they are.
        column: ``"boxes"`` or ``"masks"``.
        names: Of the model; by default the table's own.
        drop: Classes that are nothing to find.

    Raises:
        InputError: It has no such column, or classes that are not among the names.
    """
    if not hasattr(data, "class_names"):
        return data
    if getattr(data, column) is None:
        raise InputError(
            f"{data.root or 'the data'} brings no {column}; read it with {_READ[column]}, or "
            "train another task"
        )
    from tl_keras.data.renaming import with_classes

    if names is None:
        names = [name for name in data.class_names if name not in drop]
    return with_classes(data, names, drop=drop)


def same_names(data: Any, outputs: int, part: str) -> None:
    """Raise if a table has not as many classes as the model.

    Raises:
        InputError: It has not, or there are no images.
    """
    if not len(data):
        raise InputError(f"there are no {part} images; give at least one")
    if len(data.class_names) != outputs:
        raise InputError(
            f"the {part} data has {len(data.class_names)} classes, the model {outputs}; build it "
            f"with num_classes={len(data.class_names)}"
        )


def check_target_arrays(data: Any, shape: tuple[int | None, ...], part: str) -> np.ndarray:
    """The targets of a pair of arrays.

    Args:
        data: Images and targets.
        shape: Of one target; None: any number.
        part: Of the data, for messages.

    Raises:
        InputError: They are not of this shape.
    """
    found = column_of(data, part)
    fits = found.ndim == 1 + len(shape) and all(
        want is None or want == has for want, has in zip(shape, found.shape[1:], strict=True)
    )
    if not fits or not len(found):
        wanted = ", ".join("any" if side is None else str(side) for side in ("N", *shape))
        raise InputError(f"{part} targets are of shape {found.shape}; give ({wanted}), N from 1 on")
    return found
