"""Tracks that a script made: what automation libraries draw, in a person's place and time.

Each is made from a person's window: it has the same events at the same times and comes to the same
resting places, so neither screen, extent, duration, sampling nor pace tells it from the person;
only how the mouse goes from one resting place to the next does.
"""

from itertools import pairwise

import numpy as np

from tl_keras.convert.track_files import Track
from tl_keras.errors import InputError

#: Ways from place to place: a straight line; a cubic Bezier curve with control points to the side,
#: as "human-like" mouse libraries take it; along rows and columns.
STYLES = ("straight", "bezier", "grid")

_REST = 0.5  # s without an event: the mouse stood still
_LONGEST_STROKE = 2.0  # s; longer movements are several strokes


def scripted_track(person: Track, seed: int | tuple[int, ...], style: str | None = None) -> Track:
    """Makes a scripted track with the times and resting places of a person's.

    Strokes end where the person rested (half a second without an event) and, in longer movements,
    every 0.5 to 2 s.  Along a stroke the script goes at constant speed, by a sine, or by the
    minimum-jerk profile ``10 s³ - 15 s⁴ + 6 s⁵`` (Flash & Hogan 1985), which imitates a hand.
    The pace from event to event varies by a log-normal factor (sigma 0 to 0.8), Gaussian jitter of
    0 to 1 px is added, and positions are whole pixels; since a mouse that does not move reports no
    movement, an event at the last one's place goes to a pixel beside it.  Style, easing, pace,
    jitter and curves are drawn by the seed.

    Args:
        person: the track to stand beside; two events or more.
        seed: a whole number from 0 on, or several; the same seed, the same track.
        style: one of :data:`STYLES`; ``None``: drawn.

    Returns:
        A track of as many events.

    Raises:
        InputError: the style is unknown.

    Example:
        >>> person = Track(np.arange(4) / 10, np.array([[0, 0], [3, 1], [4, 4], [9, 9]]))
        >>> scripted_track(person, seed=1).points[-1].round(-1).tolist()
        [10.0, 10.0]
    """
    if style is not None and style not in STYLES:
        raise InputError(f"no style {style!r} of scripted tracks; there are {', '.join(STYLES)}")
    random = np.random.default_rng(seed)
    drawn = STYLES[random.integers(len(STYLES))]
    way = _WAYS[style or drawn]
    ease = _EASINGS[random.integers(len(_EASINGS))]
    jitter, unevenness = random.uniform(0, 1), random.uniform(0, 0.8)
    times, stops = person.times, _stops(person.times, random)
    points = np.empty_like(person.points, dtype=np.float64)
    for first, last in pairwise(stops):
        passed = _moving_time(times[first : last + 1], unevenness, random)
        points[first : last + 1] = way(
            person.points[first], person.points[last], ease(passed), random
        )
    points += random.normal(0, jitter, points.shape)
    return Track(times, _never_still(np.rint(points), random))


def _stops(times: np.ndarray, random: np.random.Generator) -> list[int]:
    """Events at which a stroke ends and the next one begins, the first and last included."""
    rests = {int(k) + 1 for k in np.flatnonzero(np.diff(times) > _REST)}
    stops = [0]
    until = times[0] + random.uniform(0.5, _LONGEST_STROKE)
    for event in range(1, len(times) - 1):
        if event in rests or times[event] >= until:
            stops.append(event)
            until = times[event] + random.uniform(0.5, _LONGEST_STROKE)
    return [*stops, len(times) - 1]


def _moving_time(times: np.ndarray, unevenness: float, random: np.random.Generator) -> np.ndarray:
    """Time in which the mouse moved, from 0 to 1: a rest counts as one ordinary step."""
    steps = np.diff(times)
    moving = steps <= _REST
    ordinary = np.median(steps[moving]) if moving.any() else 1.0
    steps = np.where(moving, steps, ordinary) * random.lognormal(0, unevenness, len(steps))
    passed = np.concatenate([[0.0], np.cumsum(steps)])
    return passed / passed[-1]


def _never_still(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    aside = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    for event in range(1, len(points)):
        if (points[event] == points[event - 1]).all():
            points[event] += aside[random.integers(4)]
    return points


def _straight(
    start: np.ndarray, end: np.ndarray, progress: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    return start + progress[:, None] * (end - start)


def _bezier(
    start: np.ndarray, end: np.ndarray, progress: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    aside = np.array([-(end - start)[1], (end - start)[0]])
    bends = random.uniform(-0.3, 0.3, 2)
    first, second = (
        start + share * (end - start) + bend * aside
        for share, bend in zip((1 / 3, 2 / 3), bends, strict=True)
    )
    s = progress[:, None]
    return (
        (1 - s) ** 3 * start
        + 3 * (1 - s) ** 2 * s * first
        + 3 * (1 - s) * s**2 * second
        + s**3 * end
    )


def _grid(
    start: np.ndarray, end: np.ndarray, progress: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    corner = np.array([end[0], start[1]]) if random.random() < 0.5 else np.array([start[0], end[1]])
    lengths = np.abs(corner - start).sum(), np.abs(end - corner).sum()
    turn = lengths[0] / max(sum(lengths), 1e-9)
    before = np.clip(progress / max(turn, 1e-9), 0, 1)[:, None]
    after = np.clip((progress - turn) / max(1 - turn, 1e-9), 0, 1)[:, None]
    return start + before * (corner - start) + after * (end - corner)


_WAYS = {"straight": _straight, "bezier": _bezier, "grid": _grid}
_EASINGS = (
    lambda s: s,
    lambda s: (1 - np.cos(np.pi * s)) / 2,
    lambda s: 10 * s**3 - 15 * s**4 + 6 * s**5,
)
