"""Surfaces and clutter behind the things of the built-in sample set, in numpy.

Every surface may take any colour, and every kind of thing may lie on any surface, so that neither
tells the class.

Example:
    >>> import numpy as np
    >>> draw_background("wood", 64, np.random.default_rng(0)).shape
    (64, 64, 3)
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw


def value_noise(size: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise: random values on a grid, interpolated.

    Args:
        size: Side of the result, px.
        cells: Number of grid cells along a side; more is finer.
        rng: Random generator.

    Returns:
        float32 (size, size), roughly within 0..1.
    """
    grid = rng.random((cells + 1, cells + 1)).astype(np.float32)
    resized = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def _layers(size: int, rng: np.random.Generator, cells: int = 3, octaves: int = 4) -> np.ndarray:
    weights = [0.55**k for k in range(octaves)]
    total = sum(w * value_noise(size, cells * 2**k, rng) for k, w in enumerate(weights))
    return (total / sum(weights) - 0.5) * 1.6 + 0.5


def _colours(rng: np.random.Generator, count: int, spread: float = 28.0) -> np.ndarray:
    """`count` related colours around one random colour of middling brightness."""
    centre = rng.uniform(55, 200, 3)
    centre += (centre.mean() - centre) * rng.uniform(0.0, 0.6)
    return np.clip(centre + rng.normal(0, spread, (count, 3)), 15, 240).astype(np.float32)


def _blend(a: np.ndarray, b: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return a + (b - a) * np.clip(amount, 0, 1)[..., None]


def _grid(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the pixels, 0..1 along a side, turned by a random angle."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    cosine, sine = math.cos(angle), math.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


def _wood(size: int, rng: np.random.Generator) -> np.ndarray:
    _, v = _grid(size, rng)
    a, b = _colours(rng, 2, 22)
    plank = np.floor(v * rng.uniform(3, 6))
    shift = rng.uniform(0, 1, 32)[plank.astype(int) % 32].astype(np.float32)
    bend = value_noise(size, 4, rng)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * (v * rng.uniform(14, 26) + bend * 2.2 + shift * 5))
    image = _blend(a, b, 0.7 * grain + 0.5 * (value_noise(size, 40, rng) - 0.5))
    seam = np.abs(np.diff(plank, axis=0, prepend=plank[:1])) > 0
    return image * (0.85 + 0.3 * shift)[..., None] * np.where(seam, 0.55, 1.0)[..., None]


def _fabric(size: int, rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(size, rng)
    a, b, c = _colours(rng, 3, 34)
    threads = 2 * np.pi * rng.uniform(26, 40)
    weave = 0.5 + 0.5 * np.sin(threads * u) * np.sin(threads * v)
    bands = np.sin(2 * np.pi * u * rng.uniform(2, 5)) > rng.uniform(-0.5, 0.6)
    cross = np.sin(2 * np.pi * v * rng.uniform(2, 5)) > rng.uniform(-0.5, 0.6)
    image = _blend(_blend(a, b, 0.6 * bands), c, 0.6 * cross)
    return image * (0.78 + 0.3 * weave + 0.2 * (value_noise(size, 5, rng) - 0.5))[..., None]


def _tiles(size: int, rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(size, rng)
    base, grout = _colours(rng, 2, 40)
    count = rng.uniform(3, 7)
    row = np.floor(v * count)
    u = u * count * rng.uniform(0.5, 1.0) + 0.5 * (row % 2) * (rng.random() < 0.6)
    column = np.floor(u)
    tone = rng.uniform(0.75, 1.25, 1024)[((row * 31 + column) % 1024).astype(int)]
    inside = (np.abs(u - column - 0.5) < 0.46) & (np.abs(v * count - row - 0.5) < 0.44)
    tile = base * (tone * (0.8 + 0.4 * _layers(size, rng, 8, 2)))[..., None]
    return np.where(inside[..., None], tile, grout)


def _pebbles(size: int, rng: np.random.Generator) -> np.ndarray:
    half = (size + 1) // 2
    seeds = rng.uniform(-0.05, 1.05, (int(rng.integers(25, 70)), 2)).astype(np.float32)
    y, x = np.mgrid[0:half, 0:half].astype(np.float32) / half
    distance = np.hypot(x[..., None] - seeds[:, 0], y[..., None] - seeds[:, 1])
    nearest = distance.argmin(axis=-1)
    first, second = np.moveaxis(np.partition(distance, 1, axis=-1)[..., :2], -1, 0)
    edge = np.clip((second - first) * 14, 0, 1)
    colours = _colours(rng, len(seeds), 24)
    image = colours[nearest] * (0.3 + 0.7 * np.sqrt(edge) - 1.2 * first)[..., None]
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return (
        np.asarray(picture, dtype=np.float32) * (0.8 + 0.4 * value_noise(size, 30, rng))[..., None]
    )


def _grass(size: int, rng: np.random.Generator) -> np.ndarray:
    colours = _colours(rng, 40, 30)
    picture = Image.new("RGB", (size, size), tuple(int(c * 0.6) for c in colours[0]))
    draw = ImageDraw.Draw(picture)
    lean = rng.uniform(0, np.pi)
    count = 260
    starts = rng.uniform(-0.1, 1.1, (count, 2)) * size
    angles = lean + rng.normal(0, 0.35, count)
    lengths = rng.uniform(0.06, 0.2, count) * size
    ends = starts + np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]
    for k in range(count):
        colour = tuple(int(c) for c in colours[k % 40] * (0.6 + 0.5 * k / count))
        draw.line([*starts[k], *ends[k]], fill=colour, width=max(1, size // 70))
    return np.asarray(picture, dtype=np.float32)


def _stone(size: int, rng: np.random.Generator) -> np.ndarray:
    a, b, c = _colours(rng, 3, 26)
    image = _blend(a, b, _layers(size, rng))
    vein = np.exp(-np.abs(_layers(size, rng, 2, 3) - 0.5) * rng.uniform(25, 45))
    return _blend(image, c * 0.7, vein) + rng.normal(0, 5, (size, size, 1)).astype(np.float32)


def _bokeh(size: int, rng: np.random.Generator) -> np.ndarray:
    a, b, *lights = _colours(rng, 16, 45)
    image = _blend(a * 0.7, b * 0.7, _layers(size, rng, 2, 2))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    for light in lights:
        (cx, cy), radius = rng.random(2), rng.uniform(0.04, 0.16)
        disc = np.clip((radius - np.hypot(x - cx, y - cy)) * 60, 0, 1) * rng.uniform(0.3, 0.8)
        image = _blend(image, np.minimum(light * 1.3, 255), disc)
    return image


_SURFACES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "bokeh": _bokeh,
    "fabric": _fabric,
    "grass": _grass,
    "pebbles": _pebbles,
    "stone": _stone,
    "tiles": _tiles,
    "wood": _wood,
}
SURFACES: tuple[str, ...] = tuple(_SURFACES)
"""Names of the surfaces, in alphabetical order."""


def draw_background(surface: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a square piece of a surface.

    Args:
        surface: One of :data:`SURFACES`.
        size: Side, px.
        rng: Random generator; decides colours, scale and direction.

    Returns:
        RGB, float32 (size, size, 3), 0..255.

    Raises:
        KeyError: If the surface is unknown.
    """
    return np.clip(_SURFACES[surface](size, rng), 0, 255).astype(np.float32)
