"""Which content stands on which side of a split, as one number."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def split_fingerprint(
    train: "Examples", val: "Examples | None" = None, test: "Examples | None" = None
) -> str:
    """Identifies a split by content: which bytes are trained on, validated on, and tested on.

    Two runs with the same fingerprint can be compared image by image; a model whose fingerprint is
    known can be asked whether it has seen a picture's side before.

    Args:
        train: examples that are trained on.
        val: examples that choose the epoch, or ``None``.
        test: examples that choose nothing, or ``None``.

    Returns:
        SHA-256 in hexadecimal of each side's name and sorted digests; names of files, their order,
        and labels do not enter (:meth:`tl_keras.data.Examples.fingerprint` knows labels).

    Example:
        >>> import numpy as np
        >>> from tl_keras.data import Examples
        >>> one, other = (Examples((d,), np.zeros(1), ("x",), (d,), (None,)) for d in ("0f", "1e"))
        >>> split_fingerprint(one, other) == split_fingerprint(other, one)
        False
    """
    total = hashlib.sha256()
    for name, side in (("train", train), ("val", val), ("test", test)):
        total.update(f"\n{name}".encode())
        for digest in sorted(() if side is None else side.digests):
            total.update(f" {digest}".encode())
    return total.hexdigest()
