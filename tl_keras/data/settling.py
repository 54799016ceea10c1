"""All annotations of a data set brought to their images, and what is odd about them as a whole."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tl_keras.data.box_conventions import odd_convention
from tl_keras.data.boxes import Boxes
from tl_keras.data.copies import Listed
from tl_keras.data.drawn import Drawn, settle
from tl_keras.data.examples import Note, Skipped

if TYPE_CHECKING:
    from tl_keras.data.masks import Mask
    from tl_keras.data.scanning import Checked


class AllSettled(NamedTuple):
    """What became of the annotations of many images.

    Attributes:
        boxes: of each image that can be used, by its position.
        masks: likewise, where outlines were drawn.
        left_out: boxes that cannot be, and images whose annotation does not fit.
        notes: what is odd about the boxes as a whole.
    """

    boxes: dict[int, Boxes]
    masks: "dict[int, Mask]"
    left_out: list[Skipped]
    notes: list[Note]


def settle_all(
    files: Sequence[Listed],
    drawn: Sequence[Drawn],
    images: "Mapping[int, Checked]",
    names: Sequence[str],
) -> AllSettled:
    """Brings the annotations of a data set to the pixels of their images.

    Args:
        files: the images.
        drawn: what was drawn on each.
        images: what is known of those that are sound, by position.
        names: all classes.

    Returns:
        See :func:`tl_keras.data.drawn.settle` for what happens to each.

    Example:
        >>> from tl_keras.data.scanning import Checked
        >>> cat = Drawn("a.xml", [(1, 2, 30, 60)], ["cat"], ["object 1"])
        >>> images = {0: Checked("0f", None, (50, 50))}
        >>> settle_all([Listed("a.jpg")], [cat], images, ["cat"]).notes[0].text
        '1 of 1 boxes reaches beyond its image, by up to 10 px, and is cut off at the edge'
    """
    index = {name: number for number, name in enumerate(names)}
    found = AllSettled({}, {}, [], [])
    beyond: list[np.ndarray] = []
    for i, image in images.items():
        settled = settle(drawn[i], image, index)
        found.left_out.extend(settled.dropped)
        if settled.refused:
            found.left_out.append(Skipped(files[i].path, settled.refused))
            continue
        found.boxes[i] = settled.boxes
        beyond.append(settled.beyond)
        if settled.mask is not None:
            found.masks[i] = settled.mask
    where = next((one.where for one in drawn if len(one.xyxy)), "")
    for relative in (False, True):
        odd = _convention(drawn, images, relative)
        if odd:
            found.notes.append(Note("box_convention", where, odd))
    over = np.concatenate([np.zeros(0), *beyond])
    cut = over[over > 0]
    if len(cut):
        words = ("reaches", "its", "is") if len(cut) == 1 else ("reach", "their", "are")
        text = (
            f"{len(cut):,} of {len(over):,} boxes {words[0]} beyond {words[1]} image, by up to "
            f"{cut.max():.4g} px, and {words[2]} cut off at the edge"
        )
        found.notes.append(Note("boxes_cut", where, text))
    return found


def _convention(
    drawn: Sequence[Drawn], images: "Mapping[int, Checked]", relative: bool
) -> str | None:
    boxes, sizes = [np.zeros((0, 4))], [np.zeros((0, 2))]
    for i, image in images.items():
        if drawn[i].relative is relative and len(drawn[i].xyxy):
            boxes.append(np.array(drawn[i].xyxy, np.float64).reshape(-1, 4))
            sizes.append(np.tile(np.float64(drawn[i].size or image.size), (len(boxes[-1]), 1)))
    return odd_convention(np.concatenate(boxes), np.concatenate(sizes), relative=relative)
