"""What a learning-rate range test says: the curve, and the rates it suggests."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tl_keras.evaluation.rate_plot import Picture, draw_rate_test

# The smoothed loss of the first steps is hardly smoothed yet.
_LEFT_OUT = 0.1
# A fall of less than this share of the loss is noise.
_LEAST_FALL = 0.05


class Suggestion(NamedTuple):
    """Two readings of a range test; each None where the loss never fell by 5 %.

    Attributes:
        valley: Rate of the middle step of the longest fall of the smoothed loss (its longest
            strictly falling subsequence, after fastai's ``valley``).
        steepest: Rate within that fall at which the loss falls fastest, by the slope over a
            seventh of the steps: the slope from one step to the next is mostly noise.

    Example:
        >>> Suggestion(valley=1e-3, steepest=4e-3).valley
        0.001
    """

    valley: float | None
    steepest: float | None


@dataclass(frozen=True, eq=False)
class LRFind:
    """Result of :func:`tl_keras.lr_find`.

    Attributes:
        rates: float64 (S,), rising: the rate of each step taken.
        losses: float64 (S,): the loss of each step's batch before its update.
        smoothed: float64 (S,): their exponential average, corrected for its start.
        diverged: Whether the test ended early because the loss blew up.

    Example:
        >>> rates = np.geomspace(1e-6, 1, 100)
        >>> losses = 1 - 0.5 / (1 + (1e-3 / rates) ** 2)
        >>> LRFind(rates, losses, losses, False).suggestion.steepest < 1e-2
        True
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    diverged: bool

    @cached_property
    def suggestion(self) -> Suggestion:
        """The rates to train with, by valley and by steepest slope."""
        first = int(len(self.rates) * _LEFT_OUT)
        rates, losses = self.rates[first:], self.smoothed[first:]
        if len(rates) < 3:
            return Suggestion(None, None)
        fall = _longest_fall(losses)
        start, end = fall[0], fall[-1]
        if losses[start] - losses[end] < _LEAST_FALL * abs(losses[start]):
            return Suggestion(None, None)
        # The middle of its steps, not of its range: the plateau before the fall has few of them.
        valley = rates[fall[len(fall) // 2]]
        window = min(max(3, len(self.rates) // 7), end - start + 1)
        slopes = [
            np.polyfit(np.log(rates[i : i + window]), losses[i : i + window], 1)[0]
            for i in range(start, end - window + 2)
        ]
        middle = rates[start + int(np.argmin(slopes)) + window // 2]
        return Suggestion(float(valley), float(middle))

    def plot(self, path: str | os.PathLike | None = None) -> Path | Picture:
        """Draw the loss over the rate, both suggestions marked.

        Args:
            path: PNG file to write; None returns the picture, which a notebook shows.

        Returns:
            The path, or the PNG file's bytes.

        Example:
            >>> tl.lr_find(model, train).plot("rates.png")  # doctest: +SKIP
        """
        picture = draw_rate_test(self.rates, self.losses, self.smoothed, self.suggestion._asdict())
        return picture.at(path)


def smooth(losses: np.ndarray, keep: float = 0.9) -> np.ndarray:
    """Exponential average from the left, corrected for its start at zero.

    Args:
        losses: (S,).
        keep: Share of the average that a new value leaves, 0 <= keep < 1.

    Returns:
        float64 (S,).

    Example:
        >>> smooth(np.array([2.0, 2.0, 2.0])).round(6).tolist()
        [2.0, 2.0, 2.0]
    """
    average, result = 0.0, np.empty(len(losses))
    for step, loss in enumerate(losses):
        average = keep * average + (1 - keep) * loss
        result[step] = average / (1 - keep ** (step + 1))
    return result


def _longest_fall(losses: np.ndarray) -> list[int]:
    """Places of the longest strictly falling subsequence."""
    length, before = np.ones(len(losses), int), np.arange(len(losses))
    for i in range(1, len(losses)):
        higher = np.flatnonzero(losses[:i] > losses[i])
        if higher.size:
            before[i] = higher[length[higher].argmax()]
            length[i] = length[before[i]] + 1
    places = [int(length.argmax())]
    while before[places[-1]] != places[-1]:
        places.append(int(before[places[-1]]))
    return places[::-1]
