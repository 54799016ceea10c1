"""The eight things of the built-in sample set, as stacks of filled polygons.

Each drawing function takes a random generator and returns :class:`Part` s in painter's order, in a
coordinate frame of its own: x to the right, y down, roughly within [-1, 1].  Proportions, counts
and details vary from one drawing to the next; colour does not live here, only the *role* of a part,
so that no colour is tied to a kind of thing.

Example:
    >>> import numpy as np
    >>> parts = SHAPES["fish"](np.random.default_rng(0))
    >>> parts[0].points.shape[1]
    2
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

BODY, ACCENT, DARK, LIGHT, SHADE = 1, 2, 3, 4, 5
"""Roles of a part: main fill (carries the texture), second colour, near black, near white, and a
darker tone of the main fill."""

Points = Sequence[tuple[float, float]]


class Part(NamedTuple):
    """One filled polygon: its role and its corners, float64 (N, 2)."""

    role: int
    points: np.ndarray


def _ellipse(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0
) -> np.ndarray:
    angle = np.deg2rad(np.linspace(start, stop, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _smooth(points: Points, steps: int = 8) -> np.ndarray:
    """Closed Catmull-Rom curve through the points."""
    p1 = np.asarray(points, dtype=np.float64)[:, None]
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = p1 + 0.5 * t * (
        p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))
    )
    return curve.reshape(-1, 2)


def _stroke(points: Points, width: float) -> np.ndarray:
    """A line of the given width along the points, as one polygon."""
    line = np.asarray(points, dtype=np.float64)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * width / 2
    return np.concatenate([line + side, (line - side)[::-1]])


def _mirror(points: np.ndarray) -> np.ndarray:
    return points * (-1.0, 1.0)


def _butterfly(rng: np.random.Generator) -> list[Part]:
    a, b, c = rng.uniform(0.85, 1.15, 3)
    upper = _smooth(
        [
            (0.04, -0.05),
            (0.3, -0.7 * a),
            (0.75, -0.95 * a),
            (1.0 * b, -0.6),
            (0.75, -0.12),
            (0.1, 0.08),
        ]
    )
    lower = _smooth([(0.05, 0.0), (0.55, 0.02), (0.8 * c, 0.35), (0.55, 0.85 * c), (0.22, 0.6)])
    parts = []
    for wing, role in ((lower, ACCENT), (upper, BODY)):
        centre = wing.mean(axis=0)
        for flip in (np.asarray, _mirror):
            parts.append(Part(DARK, flip(wing)))
            parts.append(Part(role, flip(centre + 0.86 * (wing - centre))))
            patch = _ellipse(centre[0] + 0.12, centre[1], *rng.uniform(0.1, 0.2, 2))
            parts.append(Part(BODY if role == ACCENT else ACCENT, flip(patch)))
            for k in range(int(rng.integers(2, 4))):
                spot = centre + np.array((0.28 - 0.05 * k, -0.22 + 0.16 * k))
                parts.append(Part(LIGHT, flip(_ellipse(*spot, 0.055, 0.055))))
    parts.append(Part(DARK, _ellipse(0, 0.05, 0.075, 0.5)))
    parts.append(Part(DARK, _ellipse(0, -0.46, 0.1, 0.1)))
    feeler = _stroke([(0.02, -0.5), (0.1, -0.75), (0.26, -0.98)], 0.045)
    return [*parts, Part(DARK, feeler), Part(DARK, _mirror(feeler))]


def _car(rng: np.random.Generator) -> list[Part]:
    roof, front, wheel = rng.uniform(-0.62, -0.42), rng.uniform(0.28, 0.5), rng.uniform(0.19, 0.24)
    rear = rng.uniform(-0.75, -0.5)
    cabin = np.array(
        [(rear - 0.12, -0.02), (rear + 0.12, roof), (front - 0.15, roof), (front + 0.18, 0)]
    )
    body = _smooth(
        [(-1, 0.02), (-0.7, -0.1), (0, -0.1), (0.6, -0.08), (0.95, 0.03), (1.02, 0.3), (0.6, 0.36),
         (0, 0.36), (-0.6, 0.36), (-1.02, 0.3)]
    )  # fmt: skip
    middle = (rear + front) / 2
    top, sill = roof + 0.08, -0.06
    windows = [
        [(rear, sill), (rear + 0.16, top), (middle - 0.03, top), (middle - 0.03, sill)],
        [(middle + 0.04, sill), (middle + 0.04, top), (front - 0.18, top), (front + 0.06, sill)],
    ]
    parts = [Part(SHADE, cabin), Part(BODY, body)]
    parts += [Part(LIGHT, np.array(window)) for window in windows]
    parts.append(Part(ACCENT, _stroke([(-0.98, 0.2), (0, 0.2), (0.98, 0.2)], 0.09)))
    parts.append(Part(DARK, _stroke([(middle, -0.04), (middle, 0.12), (middle, 0.3)], 0.025)))
    parts.append(Part(LIGHT, _ellipse(0.93, 0.08, 0.07, 0.07)))
    parts.append(Part(ACCENT, _ellipse(-0.95, 0.08, 0.05, 0.07)))
    for x in (-0.58, 0.56):
        parts.append(Part(DARK, _ellipse(x, 0.36, wheel, wheel)))
        parts.append(Part(LIGHT, _ellipse(x, 0.36, wheel * 0.5, wheel * 0.5)))
        parts.append(Part(DARK, _ellipse(x, 0.36, wheel * 0.18, wheel * 0.18)))
    return parts


def _clock(rng: np.random.Generator) -> list[Part]:
    parts = []
    for side in (-1, 1):
        parts.append(Part(DARK, _stroke([(side * 0.4, 0.55), (side * 0.6, 0.95)], 0.14)))
        parts.append(Part(DARK, _stroke([(side * 0.2, -0.4), (side * 0.5, -0.72)], 0.08)))
        bell = _ellipse(0, 0, 0.33, 0.27, 180, 360)
        turn = np.deg2rad(side * 35)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        parts.append(Part(ACCENT, bell @ rotation + (side * 0.5, -0.62)))
    parts.append(Part(DARK, _stroke([(-0.16, -0.72), (0, -0.98), (0.16, -0.72)], 0.07)))
    rim = rng.uniform(0.74, 0.82)
    parts += [Part(BODY, _ellipse(0, 0, rim, rim)), Part(LIGHT, _ellipse(0, 0, 0.6, 0.6))]
    for hour in range(12):
        angle = np.deg2rad(30 * hour)
        direction = np.array([np.sin(angle), -np.cos(angle)])
        inner = 0.4 if hour % 3 == 0 else 0.47
        parts.append(Part(DARK, _stroke([direction * inner, direction * 0.55], 0.055)))
    for length, width in ((0.3, 0.085), (0.46, 0.06)):
        angle = rng.uniform(0, 2 * np.pi)
        direction = np.array([np.sin(angle), -np.cos(angle)])
        role = DARK if length < 0.4 else SHADE
        parts.append(Part(role, _stroke([direction * -0.08, direction * length], width)))
    return [*parts, Part(ACCENT, _ellipse(0, 0, 0.07, 0.07))]


def _fish(rng: np.random.Generator) -> list[Part]:
    belly, tail = rng.uniform(0.34, 0.52), rng.uniform(0.3, 0.48)
    body = _smooth(
        [(0.98, 0.0), (0.62, -0.75 * belly), (0.15, -belly), (-0.35, -0.55 * belly), (-0.68, -0.08),
         (-0.68, 0.08), (-0.35, 0.55 * belly), (0.15, belly), (0.62, 0.75 * belly)]
    )  # fmt: skip
    fork = np.array([(-0.6, 0.0), (-1.08, -tail), (-0.9, 0.0), (-1.08, tail)])
    dorsal = _smooth(
        [(0.35, -0.8 * belly), (0.1, -belly - 0.26), (-0.35, -belly * 0.9), (-0.3, -0.4 * belly)]
    )
    lower = _smooth(
        [(0.2, 0.7 * belly), (-0.05, belly + 0.2), (-0.2, belly + 0.12), (-0.1, 0.6 * belly)]
    )
    gill = _stroke([(0.5, -0.55 * belly), (0.4, 0.0), (0.5, 0.55 * belly)], 0.05)
    fin = _smooth([(0.28, 0.05), (0.0, 0.0), (-0.12, 0.14), (0.05, 0.2)])
    parts = [Part(ACCENT, fork), Part(ACCENT, dorsal), Part(ACCENT, lower), Part(BODY, body)]
    for k in range(2):
        ray = [(-0.68, (k - 0.5) * 0.1), (-0.98, (k - 0.5) * tail * 1.1)]
        parts.append(Part(DARK, _stroke(ray, 0.03)))
    parts += [Part(DARK, gill), Part(ACCENT, fin)]
    parts.append(Part(LIGHT, _ellipse(0.68, -0.12, 0.11, 0.11)))
    parts.append(Part(DARK, _ellipse(0.7, -0.12, 0.055, 0.055)))
    return [*parts, Part(DARK, _stroke([(0.96, 0.06), (0.88, 0.1), (0.8, 0.09)], 0.035))]


def _mug(rng: np.random.Generator) -> list[Part]:
    half, top, taper = rng.uniform(0.5, 0.66), rng.uniform(-0.85, -0.6), rng.uniform(0.78, 1.0)
    reach, lip = rng.uniform(0.3, 0.42), rng.uniform(0.14, 0.22)
    arc = _ellipse(half * 0.92, -0.02, reach, 0.4, -95, 95)
    side = np.concatenate(
        [_ellipse(0, 0.68, half * taper, lip * 0.9, 0, 180), [(-half, top)], [(half, top)]]
    )
    low, high = sorted(rng.uniform(-0.25, 0.45, 2))
    high = max(high, low + 0.2)
    widths = [half + (half * taper - half) * (y - top) / (0.68 - top) for y in (low, high)]
    sag = lip * 0.8
    band = np.concatenate(
        [_ellipse(0, low, widths[0], sag, 180, 0), _ellipse(0, high, widths[1], sag, 0, 180)]
    )
    parts = [Part(DARK, _stroke(arc, 0.2)), Part(SHADE, _stroke(arc, 0.14)), Part(BODY, side)]
    if rng.random() < 0.6:
        parts.append(Part(ACCENT, band))
    rim = _ellipse(0, top, half, lip)
    drink = _ellipse(0, top + 0.02, half * 0.85, lip * 0.74)
    return [*parts, Part(LIGHT, rim), Part(DARK, drink)]


def _mushroom(rng: np.random.Generator) -> list[Part]:
    wide, high, foot = rng.uniform(0.8, 1.0), rng.uniform(0.6, 0.9), rng.uniform(0.24, 0.38)
    stem = _smooth(
        [
            (-0.2, -0.1),
            (-0.19, 0.4),
            (-foot, 0.85),
            (0, 0.97),
            (foot, 0.85),
            (0.19, 0.4),
            (0.2, -0.1),
        ]
    )
    cap = np.concatenate([_ellipse(0, 0, wide, high, 180, 360), _ellipse(0, 0, wide, 0.2, 0, 180)])
    gills = _ellipse(0, 0.04, wide * 0.82, 0.12)
    parts = [Part(BODY, cap), Part(SHADE, gills)]
    for x in np.linspace(-0.65, 0.65, 9) * wide:
        parts.append(Part(DARK, _stroke([(x * 0.5, -0.02), (x, 0.1)], 0.025)))
    parts += [Part(LIGHT, stem), Part(ACCENT, _ellipse(0, 0.24, 0.3, 0.08))]
    spots = [(-0.55, -0.24), (-0.12, -0.62), (0.42, -0.45), (0.02, -0.22), (0.66, -0.14)]
    for x, y in spots[: int(rng.integers(3, 6))]:
        size = rng.uniform(0.08, 0.14)
        parts.append(Part(LIGHT, _ellipse(x * wide, y * high / 0.75, size * 1.15, size)))
    return parts


def _sailboat(rng: np.random.Generator) -> list[Part]:
    top, sail, jib = rng.uniform(-1.0, -0.85), rng.uniform(0.55, 0.8), rng.uniform(0.45, 0.68)
    hull = np.concatenate(
        [[(-0.95, 0.42), (0.98, 0.42)], [(0.75, 0.7), (0.55, 0.85), (-0.55, 0.85), (-0.8, 0.68)]]
    )
    main = np.array([(0.06, top + 0.06), (0.3, top * 0.4), (0.07 + sail, 0.3), (0.06, 0.3)])
    fore = np.array([(-0.06, top + 0.18), (-0.06, 0.3), (-0.1 - jib, 0.3), (-0.3, -0.1)])
    flag = np.array([(0.0, top - 0.12), (0.26, top - 0.05), (0.0, top + 0.03)])
    parts = [Part(DARK, _stroke([(0, top - 0.12), (0, 0), (0, 0.45)], 0.055))]
    parts += [Part(BODY, main), Part(LIGHT, fore), Part(ACCENT, flag), Part(SHADE, hull)]
    for level in (0.35, 0.68):
        y = top + (0.3 - top) * level
        parts.append(Part(DARK, _stroke([(0.06, y), (0.06 + sail * level * 0.9, y)], 0.025)))
    parts.append(Part(ACCENT, _stroke([(-0.88, 0.52), (0, 0.52), (0.9, 0.52)], 0.08)))
    for x in np.linspace(-0.4, 0.4, int(rng.integers(2, 5))):
        parts.append(Part(LIGHT, _ellipse(x, 0.68, 0.06, 0.06)))
    return parts


def _umbrella(rng: np.random.Generator) -> list[Part]:
    high, base = rng.uniform(0.7, 0.95), 0.05
    ribs = int(rng.integers(4, 7))
    corners = np.linspace(-1, 1, ribs + 1)
    parts = [
        Part(DARK, _stroke([(0, -high - 0.12), (0, 0), (0, 0.68)], 0.075)),
        Part(DARK, _stroke(_ellipse(0.14, 0.68, 0.14, 0.2, 180, 10), 0.085)),
    ]
    bend = np.linspace(0, np.pi / 2, 14)
    for k in range(ribs):
        left, right = corners[k], corners[k + 1]
        down = np.stack([left * np.sin(bend), base - high * np.cos(bend)], axis=1)
        up = np.stack([right * np.sin(bend), base - high * np.cos(bend)], axis=1)[::-1]
        scallop = _ellipse((left + right) / 2, base, (right - left) / 2, 0.13, 180, 360)
        role = BODY if k % 2 == 0 else ACCENT
        parts.append(Part(role, np.concatenate([down, scallop, up])))
        if k:
            parts.append(Part(DARK, _stroke(down, 0.028)))
    return parts


SHAPES: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "butterfly": _butterfly,
    "car": _car,
    "clock": _clock,
    "fish": _fish,
    "mug": _mug,
    "mushroom": _mushroom,
    "sailboat": _sailboat,
    "umbrella": _umbrella,
}
"""Kind of thing -> its drawing function."""
