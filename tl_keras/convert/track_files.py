"""Recordings of the mouse: a CSV line per event, as in the Balabit Mouse Dynamics Challenge."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Names of the time column, the first one there is taken: when the hand moved comes before when
#: the recorder saw it.
TIMES = ("client timestamp", "timestamp", "time", "t", "record timestamp")

_MOVING = {"move", "drag"}
_UNKNOWN = 65535  # coordinate of an event without a place, in Balabit's recordings


class UnreadableTrackError(Exception):
    """A file that holds no track; its text is the reason, without the path."""


@dataclass(frozen=True)
class Track:
    """A path of the mouse.

    Attributes:
        times: float64 array (n,), seconds, strictly rising.
        points: float64 array (n, 2), x to the right and y downwards, px of the screen.

    Example:
        >>> len(Track(np.array([0.0, 0.1]), np.zeros((2, 2))))
        2
    """

    times: np.ndarray
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def part(self, start: int, stop: int) -> "Track":
        """The events ``start`` to ``stop - 1``.

        Example:
            >>> len(Track(np.arange(5.0), np.zeros((5, 2))).part(1, 3))
            2
        """
        return Track(self.times[start:stop], self.points[start:stop])


def read_track(path: str) -> Track:
    """Reads one recording.

    Columns are found by name: ``x``, ``y``, a time in seconds (:data:`TIMES`), and ``state`` if it
    is there (https://github.com/balabit/Mouse-Dynamics-Challenge).  Clicks and scrolling do not
    move the mouse and are left out; so are events without a place (65535).  Of events at the same
    time the last one counts.

    Args:
        path: the file.

    Returns:
        The track; it may be short or stand still.

    Raises:
        UnreadableTrackError: empty, no such columns, text for a number, or time running backwards.

    Example:
        >>> read_track("no/such/session")
        Traceback (most recent call last):
        ...
        tl_keras.convert.track_files.UnreadableTrackError: no such file
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise UnreadableTrackError("no such file") from None
    except OSError as error:
        raise UnreadableTrackError(error.strerror or str(error)) from None
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableTrackError("is no CSV text") from None
    if not rows:
        raise UnreadableTrackError("zero bytes")
    header = [cell.strip().casefold() for cell in rows[0]]
    clock = next((name for name in TIMES if name in header), None)
    if clock is None or not {"x", "y"} <= set(header):
        raise UnreadableTrackError(
            f"has the columns {', '.join(header)}; expected x, y and a time ({', '.join(TIMES)})"
        )
    wanted = [header.index(name) for name in (clock, "x", "y")]
    state = header.index("state") if "state" in header else None
    events = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        try:
            if state is not None and row[state].strip().casefold() not in _MOVING:
                continue
            events.append([float(row[column]) for column in wanted])
        except (ValueError, IndexError):
            raise UnreadableTrackError(
                f"line {number} is cut off or holds text for a number: {','.join(row)[:60]}"
            ) from None
    return _track(np.array(events, np.float64).reshape(-1, 3))


def _track(events: np.ndarray) -> Track:
    if not np.isfinite(events).all():
        raise UnreadableTrackError("holds numbers that are not finite")
    events = events[(events[:, 1:] < _UNKNOWN).all(axis=1)]
    steps = np.diff(events[:, 0])
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise UnreadableTrackError(f"time runs backwards after {events[at, 0]:g} s")
    last = np.append(steps > 0, True)[: len(events)]
    return Track(events[last, 0], events[last, 1:])
