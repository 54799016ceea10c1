"""The picture of a mouse track: its path, with time and speed as colours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from tl_keras.convert.settings import Settings, setting
from tl_keras.convert.shades import to_grey
from tl_keras.convert.track_files import Track

_PARTS_PER_PIXEL = 16  # of OpenCV's sub-pixel coordinates, as a power of two: shift=4
_FEWEST = 8  # events that a window of seconds, or the last one, must hold


@dataclass(frozen=True)
class TrackImage(Settings):
    """How a track is rendered.

    Axes: the screen's, x to the right and y downwards; the path is moved and scaled (the same in
    both directions) so that it fills the picture but a margin of 4 %: neither the size of the
    screen nor the place on it counts.  Colours of each step from event to event: red 255 where
    the path is; green the time, 0 at the window's start to 255 at its end; blue the speed on the
    screen, logarithmic from ``slowest`` (0) to ``fastest`` (255) px/s.  Later steps cover earlier
    ones; the background is black.

    A recording is cut into windows of ``events`` movements (or of ``seconds``); one that holds
    fewer than half of them (fewer than eight) is dropped.

    Attributes:
        size: side of the square picture, px.
        events: movements in a window.
        seconds: length of a window instead; ``None``: by ``events``.
        slowest: speed that is black in blue, px/s.
        fastest: speed that is full blue, px/s.

    Raises:
        InputError: a value is out of its range.

    Example:
        >>> track = Track(np.arange(3.0), np.array([[0, 0], [9, 0], [9, 9]]))
        >>> TrackImage().render(track).shape
        (224, 224, 3)
    """

    kind: ClassVar[str] = "tracks"

    size: int = setting(224, "side of the square picture, px", low=16, high=4096)
    events: int = setting(100, "movements in a window", low=_FEWEST, high=1000000)
    seconds: float | None = setting(
        None, "length of a window in seconds, instead of --events", of=float, above=0
    )
    slowest: float = setting(10.0, "speed without blue, px/s", above=0)
    fastest: float = setting(10000.0, "speed of full blue, px/s", above=0)

    def windows(self, track: Track) -> Iterator[tuple[int, Track]]:
        """Cuts a recording.

        Args:
            track: the recording.

        Yields:
            Number of the first event, and the window.

        Example:
            >>> track = Track(np.arange(250.0), np.zeros((250, 2)))
            >>> [(start, len(part)) for start, part in TrackImage().windows(track)]
            [(0, 100), (100, 100), (200, 50)]
        """
        if self.seconds is None:
            starts = np.arange(0, len(track), self.events)
            fewest = (self.events + 1) // 2
        else:
            passed = (track.times - track.times[:1]) // self.seconds
            starts = np.flatnonzero(np.diff(passed, prepend=-1))
            fewest = _FEWEST
        for start, stop in zip(starts, [*starts[1:], len(track)], strict=True):
            if stop - start >= fewest:
                yield int(start), track.part(int(start), int(stop))

    def render(self, track: Track) -> np.ndarray:
        """Renders one window.

        Args:
            track: two events or more that differ in place.

        Returns:
            uint8 array (size, size, 3), RGB.

        Example:
            >>> track = Track(np.arange(2.0), np.array([[0, 0], [9, 0]]))
            >>> TrackImage().render(track)[111, 60].tolist()[:2]
            [255, 255]
        """
        low, high = track.points.min(axis=0), track.points.max(axis=0)
        scale = 0.92 * (self.size - 1) / max((high - low).max(), 1e-9)
        places = (track.points - (low + high) / 2) * scale + (self.size - 1) / 2
        places = np.round(places * _PARTS_PER_PIXEL).astype(int)
        lasting = np.diff(track.times)
        speeds = np.hypot(*np.diff(track.points, axis=0).T) / lasting
        blue = to_grey(
            np.log(np.maximum(speeds, self.slowest)), np.log(self.slowest), np.log(self.fastest)
        )
        green = to_grey(track.times[1:] - track.times[0], 0.0, track.times[-1] - track.times[0])
        picture = np.zeros((self.size, self.size, 3), np.uint8)
        for k in range(len(lasting)):
            cv2.line(
                picture,
                places[k].tolist(),
                places[k + 1].tolist(),
                (255, int(green[k]), int(blue[k])),
                thickness=max(1, round(self.size / 112)),
                lineType=cv2.LINE_AA,
                shift=4,
            )
        return picture
