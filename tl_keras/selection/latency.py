"""How long trained models take for an image, measured so that they can be compared."""

import time
from collections.abc import Callable, Hashable, Mapping
from statistics import median
from typing import Any

import keras
import numpy as np

_CALLS, _WARM = 25, 3
_SECONDS = 20.0  # no more for a pair, so that huge models end, too


def one_image(model: keras.Model) -> Callable[[], Any]:
    """A function that runs the model on one image, by Keras."""
    image = np.zeros((1, *model.input_shape[1:]), "uint8")
    return lambda: model.predict_on_batch(image)


def in_turns(first: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of two functions that are called in turns, after some calls to warm up.

    What else the machine does meets both alike, so that their ratio holds where neither time does.

    Args:
        first: To be called.
        other: Likewise; may be the same.

    Returns:
        Seconds of the first and of the other.

    Example:
        >>> slow, quick = in_turns(lambda: sum(range(100_000)), lambda: None)
        >>> slow > quick
        True
    """
    for _ in range(_WARM):
        first(), other()
    times: tuple[list[float], list[float]] = ([], [])
    until = time.perf_counter() + _SECONDS
    while len(times[0]) < _CALLS and (len(times[0]) < 3 or time.perf_counter() < until):
        for call, taken in zip((first, other), times, strict=True):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
    return median(times[0]), median(times[1])


def in_proportion(timed: Mapping[Hashable, tuple[float, float]]) -> dict[Hashable, float]:
    """Seconds of each, as though all had been called while the machine did what it usually does.

    Args:
        timed: Of each what :func:`in_turns` said of it and the same first one, seconds.

    Returns:
        The usual seconds of the first, times how much slower each was beside it.

    Example:
        >>> in_proportion({"first": (0.01, 0.01), "other": (0.01, 0.03)})
        {'first': 0.01, 'other': 0.03}
    """
    usual = median(first for first, _ in timed.values())
    return {name: usual * (other / first) for name, (first, other) in timed.items()}
