"""Seeds: which are good, and the order of contents that follows from one."""

import hashlib
from collections.abc import Iterable

import numpy as np

from tl_keras.errors import InputError


def check_seed(seed: int) -> None:
    """Refuses what is no seed.

    Args:
        seed: a whole number from 0 on.

    Raises:
        InputError: it is not.

    Example:
        >>> check_seed(0)
    """
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**32:
        raise InputError(f"seed {seed!r} is not a whole number from 0 to 2**32 - 1; give e.g. 0")


def rank(digests: Iterable[str], seed: int, repeat: int = 0) -> bytes:
    """Where some content stands in the order that a seed gives.

    Args:
        digests: hashes of the files that stay together; their order and number do not matter.
        seed: a whole number from 0 on.
        repeat: which repetition of a split; 0 is the split without repetitions.

    Returns:
        16 bytes to sort by.

    Example:
        >>> rank(["0f", "1e"], 0) == rank(["1e", "0f", "0f"], 0)
        True
    """
    drawn = f"{seed}.{repeat}" if repeat else f"{seed}"
    return hashlib.blake2b(
        f"{drawn} {' '.join(sorted(set(digests)))}".encode(), digest_size=16
    ).digest()
