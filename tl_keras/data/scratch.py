"""Memory that a thread uses again for every image, instead of asking the system for it.

Pixels of a photograph are more than the allocator keeps at hand in a thread: they are mapped,
zeroed page by page, and given back each time.  In the threads of a pipeline that was a quarter of
all the time (``benchmarks/reading_speed.py``).
"""

import math
import threading

import numpy as np

# Bytes of one buffer that is kept; what is larger comes and goes.
_KEPT = 8 * 2**20
_ALIGNED = 64  # TensorFlow takes an array so aligned as it is, and copies any other

_buffers = threading.local()


def scratch(use: str, shape: tuple[int, ...]) -> np.ndarray:
    """Memory of the calling thread, for one use at a time.

    Args:
        use: what for; the next call for the same use in the same thread overwrites it.
        shape: of the array.

    Returns:
        uint8 array of that shape, C order, of any content.

    Example:
        >>> scratch("decoding", (2, 3)).shape
        (2, 3)
    """
    size = math.prod(shape)
    if size > _KEPT:
        return np.empty(shape, np.uint8)
    kept = getattr(_buffers, use, None)
    if kept is None or kept.size < size:
        kept = np.empty(size, np.uint8)
        setattr(_buffers, use, kept)
    return kept[:size].reshape(shape)


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """A new array that TensorFlow takes over without a copy.

    Args:
        shape: of the array.

    Returns:
        uint8 array of that shape, C order, of any content, at a multiple of 64 bytes.

    Example:
        >>> aligned((2, 3)).ctypes.data % 64
        0
    """
    size = math.prod(shape)
    memory = np.empty(size + _ALIGNED, np.uint8)
    start = -memory.ctypes.data % _ALIGNED
    return memory[start : start + size].reshape(shape)
