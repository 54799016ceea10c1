"""The same table under other class names: what a model knows, where data names more or less."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.examples import Examples
from tl_keras.data.instances import Instances, only
from tl_keras.data.masks import IGNORE, Mask
from tl_keras.data.scanning import DIGEST_BYTES
from tl_keras.errors import InputError

#: In :attr:`RenamedMask.classes`: a class that is given up.
GONE = -1
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class RenamedMask:
    """A :class:`tl_keras.data.Mask` whose classes bear other numbers.

    Pixels of a class that is given up are ``IGNORE`` in :meth:`semantic`, and of no thing in
    :meth:`things` and :meth:`instances`.

    Attributes:
        mask: the mask as it was.
        classes: for each class of ``mask`` its number now, or ``GONE`` (-1).

    Example:
        >>> from tl_keras.data.mask_files import ClassMask
        >>> RenamedMask(ClassMask("road.png", (0, 1, *(-1,) * 254)), (GONE, 0)).kinds()
        (0,)
    """

    mask: Mask
    classes: tuple[int, ...]

    def check(self, height: int, width: int) -> None:
        """Looks whether it is sound, see :meth:`tl_keras.data.Mask.check`."""
        self.mask.check(height, width)

    def kinds(self) -> tuple[int, ...]:
        """Classes that its pixels may have, see :meth:`tl_keras.data.Mask.kinds`."""
        return tuple(sorted({self.classes[old] for old in self.mask.kinds()} - {GONE}))

    @functools.cached_property
    def _table(self) -> np.ndarray:
        if max(self.kinds(), default=0) >= IGNORE:
            raise InputError(f"classes by pixel go up to {IGNORE - 1}; use the things one by one")
        table = np.full(IGNORE + 1, IGNORE, np.uint8)
        for old in self.mask.kinds():
            if self.classes[old] != GONE:
                table[old] = self.classes[old]
        return table

    def semantic(self, height: int, width: int) -> np.ndarray:
        """Classes by pixel, see :meth:`tl_keras.data.Mask.semantic`.

        Raises:
            InputError: a class's number does not fit beside ``IGNORE``.
        """
        return self._table[self.mask.semantic(height, width)]

    def instances(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Things one by one, see :meth:`tl_keras.data.Mask.instances`."""
        things, classes = self.mask.instances(height, width)
        renamed = np.array(self.classes, np.int32)[classes]
        return things[renamed != GONE], renamed[renamed != GONE]

    def things(self, height: int, width: int) -> Instances:
        """Things on one map, see :meth:`tl_keras.data.Mask.things`."""
        found = self.mask.things(height, width)
        renamed = np.array(self.classes, np.int32)[found.classes]
        return only(replace(found, classes=renamed), renamed != GONE)

    @functools.cached_property
    def _identity(self) -> str:
        told = f"{self.mask.fingerprint()} {self.classes}"
        return hashlib.blake2b(told.encode(), digest_size=DIGEST_BYTES).hexdigest()

    def fingerprint(self) -> str:
        """Identifies the mask and the numbers of its classes, in hexadecimal."""
        return self._identity


def with_classes(
    examples: Examples, names: Sequence[str], *, drop: Sequence[str] = ("background",)
) -> Examples:
    """The same table under the class names that a model knows, in the model's order.

    A class that nothing in the table uses may be missing among ``names``.

    Args:
        examples: the table.
        names: the classes wanted; the table need not have them all.
        drop: classes that may be given up although they are used, where ``names`` lacks them:
            labels of one become -1, its boxes go, and its pixels are of no thing, or, by class,
            ``IGNORE``.

    Returns:
        A table whose ``class_names`` are ``names``, with labels, boxes and masks to match;
        ``examples`` itself where it has these names already.

    Raises:
        InputError: a label, a box that counts or a mask is of another class, or a name stands
            twice.

    Example:
        >>> table = Examples(("a.png",), np.array([1]), ("ants", "bees"), ("0f",), (None,))
        >>> with_classes(table, ["bees", "wasps"]).labels.tolist()
        [0]
    """
    names = tuple(names)
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"the names of classes hold {', '.join(twice)} twice; name each once")
    if names == examples.class_names:
        return examples
    index = {name: number for number, name in enumerate(names)}
    new = np.array([index.get(name, GONE) for name in examples.class_names], np.int32)
    _refuse_unknown(examples, new, names, drop)
    if examples.masks is None or (new == np.arange(len(new))).all():
        masks = examples.masks
    else:
        masks = tuple(mask and _renamed(mask, new) for mask in examples.masks)
    return replace(
        examples,
        class_names=names,
        labels=np.where(examples.labels < 0, -1, _looked_up(new, examples.labels)),
        boxes=examples.boxes and tuple(_renumbered(boxes, new) for boxes in examples.boxes),
        masks=masks,
    )


def _looked_up(new: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return np.append(new, GONE)[classes]  # -1, no class, is the last


def _renumbered(boxes: Boxes, new: np.ndarray) -> Boxes:
    classes = _looked_up(new, boxes.classes)
    kept = classes != GONE
    return Boxes.of(boxes.xyxy[kept], classes[kept], boxes.ignore[kept])


def _renamed(mask: Mask, new: np.ndarray) -> Mask:
    if isinstance(mask, RenamedMask):  # renamed once more: there and back is where it was
        new, mask = _looked_up(new, np.array(mask.classes, np.int64)), mask.mask
    if all(new[old] == old for old in mask.kinds()):
        return mask
    return RenamedMask(mask, tuple(new.tolist()))


def _refuse_unknown(
    examples: Examples, new: np.ndarray, names: tuple[str, ...], drop: Sequence[str]
) -> None:
    used = {int(label) for label in np.unique(examples.labels) if label >= 0}
    for boxes in examples.boxes or ():
        used |= {*boxes.classes[~boxes.ignore].tolist()}
    for mask in examples.masks or ():
        used |= {*mask.kinds()} if mask else set()
    of_table = examples.class_names
    unknown = [of_table[old] for old in sorted(used) if old >= 0 and new[old] == GONE]
    unknown = [name for name in unknown if name not in drop]
    if unknown:
        word = "classes" if len(unknown) > 1 else "a class"
        raise InputError(
            f"{examples.root or 'the data'} has {word} that the model does not know: "
            f"{_listed(unknown)} (it knows {_listed(names)}); rename or remove them in the data, "
            "or train a model that knows them"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
