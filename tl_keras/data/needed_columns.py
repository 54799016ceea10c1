"""What a table has to bring before its boxes and masks can be learned; else, what is missing."""

import numpy as np

from tl_keras.data.decoding import UnreadableImageError
from tl_keras.data.examples import Examples
from tl_keras.errors import InputError


def image_sizes(examples: Examples) -> list[tuple[int, int]]:
    """Height and width of each image, px, upright.

    Raises:
        InputError: The table does not say.
    """
    if examples.sizes is None:
        raise InputError(
            "the table does not say how large its images are; read it with a function of "
            "tl_keras.data, or give Examples(sizes=...)"
        )
    return [(int(height), int(width)) for height, width in examples.sizes]


def check_boxes(examples: Examples) -> None:
    """Looks whether a table has boxes.

    Raises:
        InputError: It has not.
    """
    if examples.boxes is None:
        raise InputError(
            f"{examples.root or 'the data'} brings no boxes; read them with "
            "tl_keras.data.from_voc, from_coco, from_yolo or from_csv"
        )


def mask_classes(examples: Examples) -> list[str]:
    """The names of all classes that pixels of the masks may have; no file is read.

    Raises:
        InputError: The table has no masks, or an image has none, or they are of a class that the
            table does not name.
    """
    if examples.masks is None:
        raise InputError(
            f"{examples.root or 'the data'} brings no masks; read them with "
            "tl_keras.data.from_masks or from_coco"
        )
    bare = [path for path, mask in zip(examples.paths, examples.masks, strict=True) if not mask]
    if bare:
        raise InputError(f"{len(bare)} images have no mask, the first {bare[0]}; add or drop it")
    kinds = sorted({kind for mask in examples.masks for kind in mask.kinds()})
    names = examples.class_names
    if kinds and kinds[-1] >= len(names):
        raise InputError(
            f"masks are of class number {kinds[-1]}, the table names {len(names)}; name them all "
            "in class_names"
        )
    return [names[kind] for kind in kinds]


def check_mask_size(path: str, mask: np.ndarray, height: int, width: int) -> None:
    """Looks whether a mask is as large as its image, px.

    Raises:
        UnreadableImageError: It is not.
    """
    if mask.shape != (height, width):
        raise UnreadableImageError(
            f"the mask of {path}",
            f"it has {mask.shape[1]} x {mask.shape[0]} px, the image {width} x {height}",
        )


def nothing_in(examples: Examples, what: str, column: str) -> InputError:
    """The error that no image of a table has what is to be learned.

    Example:
        >>> print(nothing_in(Examples((), [], (), (), ()), "a thing", "masks"))
        none of the 0 images of the data has a thing; give masks to learn from, or measure on
    """
    return InputError(
        f"none of the {len(examples)} images of {examples.root or 'the data'} has {what}; give "
        f"{column} to learn from, or measure on"
    )
