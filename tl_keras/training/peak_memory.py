"""The most memory that a process held."""

import sys
from pathlib import Path


def peak_memory() -> int | None:
    """The most memory that this process held at once so far, bytes; None where nobody counts it.

    It is the resident set: images, weights, TensorFlow or JAX themselves, but not the memory of an
    accelerator.

    Example:
        >>> peak_memory() > 1e6
        True
    """
    try:
        # The figure of getrusage begins with what the parent held when it started this process.
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
