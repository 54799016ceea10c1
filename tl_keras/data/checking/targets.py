"""Whether rows of the table say the same of their pictures."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def same_targets(examples: "Examples", rows: np.ndarray) -> bool:
    """Whether classes and tags of some rows agree; what nobody knows agrees with everything.

    Boxes and masks are not compared: two people never draw the same.

    Args:
        examples: the table.
        rows: positions in it.

    Returns:
        False where two rows contradict each other.

    Example:
        >>> from tl_keras.data import Examples
        >>> table = Examples(("a", "b"), [0, 1], ("x", "y"), ("0", "0"), (None, None))
        >>> same_targets(table, [0, 1])
        False
    """
    labels = examples.labels[rows]
    if len(set(labels[labels >= 0].tolist())) > 1:
        return False
    if examples.tags is None or not len(rows):
        return True
    tags = examples.tags[rows]
    return not ((tags == 1).any(axis=0) & (tags == 0).any(axis=0)).any()
