"""The picture of a series of one or many channels: seven kinds, each with its axes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import ClassVar

import cv2
import numpy as np

from tl_keras.convert.series_fields import (
    gramian_angular_field,
    markov_transition_field,
    recurrence_plot,
    shortened,
)
from tl_keras.convert.settings import Settings, setting
from tl_keras.convert.shades import to_grey, to_square
from tl_keras.convert.spectrogram import decibels, power_spectrogram
from tl_keras.errors import InputError

#: What each kind shows and when to try it; the command's help prints it.
KINDS = {
    "line": "the curve itself: shape and level; the first to try, for any series",
    "gasf": "Gramian angular field, cos(a+b): values and their order in time",
    "gadf": "Gramian angular field, sin(a-b): what changed between two times",
    "mtf": "Markov transition field: which levels follow each other; robust to noise",
    "gaf-mtf": "gasf, gadf and mtf as red, green and blue (Wang & Oates 2015)",
    "recurrence": "which times resemble each other: periods, regimes, drifts",
    "spectrogram": "frequency over time: vibration, gait, anything that oscillates",
}

_PARTS_PER_PIXEL = 16  # of OpenCV's sub-pixel coordinates, as a power of two: shift=4


@dataclass(frozen=True)
class SeriesImage(Settings):
    """How a series is rendered.

    Each channel becomes a square.  Axes: in ``line`` and ``spectrogram`` time runs to the right
    and value, or frequency (linear, 0 to half the sampling rate), upwards.  In the fields
    (``gasf``, ``gadf``, ``mtf``, ``gaf-mtf``, ``recurrence``) pixel (right, up) is the pair of
    times (second, first), the origin at the bottom left as in Eckmann et al. 1987.  Grey level
    0..255 is: -1..1 (``gasf``, ``gadf``), probability 0..1 (``mtf``), the largest distance..0
    (``recurrence``, so alike is bright), ``-span``..0 dB (``spectrogram``).

    Before that, each channel is scaled to -1..1: ``scale="series"`` by its own smallest and largest
    value in this series (a constant channel is 0), so level and amplitude do not count;
    ``scale="dataset"`` by those of the channel in the training part (of all series where none is
    marked as such), so they do.  ``line``'s margins show values up to a tenth beyond; the
    spectrogram's 0 dB is its loudest point, under ``"dataset"`` a sine of amplitude 1.  Series
    longer than the square is wide are shortened to means of segments for the fields.

    Several channels: ``"tiles"`` sets their squares side by side, row by row, in the smallest
    square grid that holds them (6 channels: 3 × 3, the last row empty), for any number and kind;
    ``"rgb"`` makes up to three channels red, green and blue of one picture.

    Attributes:
        method: one of :data:`KINDS`.
        size: side of the square picture, px.
        scale: ``"series"`` or ``"dataset"``.
        channels: ``"tiles"`` or ``"rgb"``.
        window: cut series into pieces of so many samples; ``None``: whole.  A last shorter piece
            is dropped unless it is the only one.
        step: samples from one piece to the next; ``None``: ``window``.
        bins: quantile bins of ``mtf``.
        dimension: values in a state of ``recurrence``.
        delay: samples between them.
        threshold: share of the largest distance up to which ``recurrence`` is white, else black;
            ``None``: shades.
        n_fft: window of ``spectrogram``, samples; even; a shorter series takes its own length.
        hop: from one of its windows to the next, samples.
        span: its range, dB.
        limits: smallest and largest value of each channel, under ``scale="dataset"``; found by
            the conversion.

    Raises:
        InputError: a value is out of its range.

    Example:
        >>> SeriesImage("gasf").render(np.sin(np.arange(100.0) / 5)).shape
        (224, 224)
    """

    kind: ClassVar[str] = "series"

    method: str = setting("line", "what is drawn", choices=tuple(KINDS))
    size: int = setting(224, "side of the square picture, px", low=16, high=4096)
    scale: str = setting(
        "series",
        "to -1..1 by the limits of each series, or of the (training) data set: then level and "
        "amplitude count",
        choices=("series", "dataset"),
    )
    channels: str = setting(
        "tiles", "several channels side by side, or up to three as colours",
        choices=("tiles", "rgb"),
    )  # fmt: skip
    window: int | None = setting(
        None, "cut into pieces of so many samples (default: whole)", of=int, low=2
    )
    step: int | None = setting(
        None, "samples from one piece to the next (default: --window)", of=int, low=1
    )
    bins: int = setting(8, "mtf: quantile bins", low=2, high=256)
    dimension: int = setting(1, "recurrence: values in a state", low=1, high=100)
    delay: int = setting(1, "recurrence: samples between them", low=1, high=100000)
    threshold: float | None = setting(
        None,
        "recurrence: black and white at this share of the largest distance (default: shades)",
        of=float, above=0, high=1,
    )  # fmt: skip
    n_fft: int = setting(32, "spectrogram: window, samples", low=4, high=65536)
    hop: int = setting(4, "spectrogram: from one window to the next, samples", low=1, high=65536)
    span: float = setting(60.0, "spectrogram: decibels that the grey levels cover", above=0)
    limits: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_fft % 2:
            raise InputError(f"SeriesImage: n_fft={self.n_fft} is odd; give an even number")
        if self.method == "gaf-mtf" and self.channels == "rgb":
            raise InputError("SeriesImage: gaf-mtf has its own colours; take channels='tiles'")
        if self.step is not None and self.window is None:
            raise InputError("SeriesImage: step needs a window; give both or none")

    @property
    def shortest(self) -> int:
        """Samples that a series needs at least."""
        return 2 + (self.dimension - 1) * self.delay if self.method == "recurrence" else 2

    def fitted(self, series: Sequence[np.ndarray]) -> "SeriesImage":
        """The same, with the limits of these series under ``scale="dataset"``.

        Args:
            series: float arrays (n,) or (n, C), C the same in all.

        Returns:
            New settings; these where limits are known or not needed.

        Example:
            >>> SeriesImage(scale="dataset").fitted([np.array([1.0, 3.0])]).limits
            ((1.0, 3.0),)
        """
        if self.scale != "dataset" or self.limits is not None:
            return self
        tables = [_columns(values) for values in series]
        low = np.min([table.min(axis=0) for table in tables], axis=0)
        high = np.max([table.max(axis=0) for table in tables], axis=0)
        return replace(self, limits=tuple(zip(low.tolist(), high.tolist(), strict=True)))

    def render(self, values: np.ndarray) -> np.ndarray:
        """Renders one series, or one piece of it.

        Args:
            values: float array (n,) or (n, C), finite, at least ``shortest`` long.

        Returns:
            uint8 array (size, size), with colours (size, size, 3).

        Raises:
            InputError: more channels than there are limits or, under ``"rgb"``, colours.

        Example:
            >>> SeriesImage("mtf").render(np.random.default_rng(0).normal(size=(50, 6))).shape
            (224, 224)
        """
        scaled = self._scaled(_columns(values))
        count = scaled.shape[1]
        if self.channels == "rgb":
            if count > 3:
                raise InputError(f"{count} channels are more than three colours; take 'tiles'")
            if count == 1:
                return self._square(scaled[:, 0], self.size)
            squares = [self._square(scaled[:, k], self.size) for k in range(count)]
            squares += [np.zeros_like(squares[0])] * (3 - count)
            return np.stack(squares, axis=-1)
        across = ceil(sqrt(count))
        side = self.size // across
        squares = [self._square(scaled[:, k], side) for k in range(count)]
        picture = np.zeros((self.size, self.size, *squares[0].shape[2:]), np.uint8)
        for number, square in enumerate(squares):
            top, left = number // across * side, number % across * side
            picture[top : top + side, left : left + side] = square
        return picture

    def _scaled(self, table: np.ndarray) -> np.ndarray:
        if self.limits is None:
            low, high = table.min(axis=0), table.max(axis=0)
        else:
            if len(self.limits) != table.shape[1]:
                raise InputError(
                    f"{table.shape[1]} channels, but the conversion was made for "
                    f"{len(self.limits)}; give the same channels"
                )
            low, high = np.array(self.limits).T
        span = np.where(high > low, high - low, 1)
        # A constant channel lies in the middle, 0, however its limits were found.
        return np.where(high > low, (2 * table - low - high) / span, table - low)

    def _square(self, x: np.ndarray, side: int) -> np.ndarray:
        if self.method == "line":
            return _line(x, side)
        if self.method == "spectrogram":
            return self._spectrogram(x, side)
        if self.method == "gaf-mtf":
            parts = [self._field(name, x, side) for name in ("gasf", "gadf", "mtf")]
            return np.stack(parts, axis=-1)
        return self._field(self.method, x, side)

    def _field(self, method: str, x: np.ndarray, side: int) -> np.ndarray:
        if method == "mtf":
            field, low, high = markov_transition_field(x, bins=self.bins, size=side), 0.0, 1.0
        elif method == "recurrence":
            field, low, high = self._recurrence(x, side), 0.0, 1.0
        else:
            field = gramian_angular_field(shortened(x, side), difference=method == "gadf")
            low, high = -1.0, 1.0
        return to_grey(to_square(field[::-1], side), low, high)

    def _recurrence(self, x: np.ndarray, side: int) -> np.ndarray:
        field = recurrence_plot(
            x, dimension=self.dimension, delay=self.delay, threshold=self.threshold, size=side
        )
        if self.threshold is not None:
            return field
        return 1 - field / max(field.max(), np.finfo(float).tiny)

    def _spectrogram(self, x: np.ndarray, side: int) -> np.ndarray:
        n_fft = max(2, min(self.n_fft, len(x) // 2 * 2))
        power = power_spectrogram(x - x.mean(), n_fft, self.hop)
        # The spectrum of a sine of amplitude 1 peaks at the square of half the window's sum.
        full = (n_fft / 4) ** 2
        reference = full if self.scale == "dataset" else float(power.max())
        levels = decibels(power, reference, self.span)
        return to_grey(to_square(levels[::-1], side), -self.span, 0.0)


def _columns(values: np.ndarray) -> np.ndarray:
    table = np.asarray(values, np.float64)
    return table[:, None] if table.ndim == 1 else table


def _line(x: np.ndarray, side: int) -> np.ndarray:
    margin = 0.05 * side
    across = np.linspace(margin, side - 1 - margin, len(x))
    # A tenth of the height is left above 1 and below -1, for values beyond the limits.
    up = (side - 1) / 2 * (1 - np.clip(x, -1.1, 1.1) / 1.2)
    points = np.stack([across, up], axis=1) * _PARTS_PER_PIXEL
    picture = np.zeros((side, side), np.uint8)
    cv2.polylines(
        picture,
        [np.round(points).astype(np.int32)],
        isClosed=False,
        color=255,
        thickness=max(1, round(side / 112)),
        lineType=cv2.LINE_AA,
        shift=4,
    )
    return picture
