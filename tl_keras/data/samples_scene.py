"""Puts drawn things on a surface: pose, colour, texture, light, shadow, clutter, noise.

What tells the class apart is the drawing alone.  Colours, textures, surfaces, places, turns, sizes
and clutter are drawn from the same distributions for every class.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tl_keras.data.samples_backgrounds import SURFACES, draw_background, value_noise
from tl_keras.data.samples_shapes import ACCENT, BODY, DARK, LIGHT, SHADE, SHAPES

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 45, 45),
    "orange": (235, 135, 35),
    "yellow": (235, 210, 60),
    "green": (65, 155, 70),
    "blue": (50, 95, 200),
    "purple": (130, 65, 170),
    "pink": (235, 130, 170),
    "white": (226, 224, 218),
}
"""Name of a colour -> RGB, 0..255, before jitter and light."""
TEXTURES: tuple[str, ...] = ("plain", "striped", "dotted", "checked", "marbled")
"""Names of the textures that the main fill of a thing may carry."""

_SUPERSAMPLING = 2
_MINIMUM_VISIBLE = 0.6  # share of a thing that must stay uncovered and inside the image


class Layer(NamedTuple):
    """A drawn thing before it is laid down: where, what, and how much it covers each pixel."""

    kind: str
    colour: str
    texture: str
    rgb: np.ndarray  # float32 (S, S, 3), 0..255
    alpha: np.ndarray  # float32 (S, S), 0..1
    whole: float  # area in px that it would cover with nothing cut off


class Scene(NamedTuple):
    """A finished picture: RGB uint8 (S, S, 3), things back to front, visible-instance map."""

    image: np.ndarray
    layers: list[Layer]
    instances: np.ndarray  # uint16 (S, S): 0 background, k the k-th of `layers`
    surface: str


def _texture(name: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of the second tone, 0..1, at the object coordinates u, v."""
    turn, scale = rng.uniform(0, np.pi), rng.uniform(2.2, 4.2)
    cosine, sine = math.cos(turn) * scale, math.sin(turn) * scale
    a, b = u * cosine + v * sine, v * cosine - u * sine
    if name == "striped":
        return (np.sin(2 * np.pi * a) > 0).astype(np.float32)
    if name == "checked":
        return ((np.floor(a * 1.4) + np.floor(b * 1.4)) % 2).astype(np.float32)
    if name == "dotted":
        return (np.hypot(a % 1 - 0.5, b % 1 - 0.5) < 0.3).astype(np.float32)
    if name == "marbled":
        waves = np.sin(2.1 * a + 2.4 * np.sin(1.7 * b)) + np.sin(2.6 * b + 2.0 * np.sin(1.3 * a))
        return (np.abs(waves) < 0.5).astype(np.float32)
    return np.zeros_like(a, dtype=np.float32)


def _palette(colour: str, rng: np.random.Generator) -> np.ndarray:
    """RGB of each role (row), float32 (6, 3); row 0 is unused."""
    body = np.clip(np.array(COLOURS[colour]) + rng.normal(0, 12, 3), 0, 255)
    others = [name for name in COLOURS if name != colour]
    accent = np.array(COLOURS[others[int(rng.integers(len(others)))]]) + rng.normal(0, 12, 3)
    palette = np.zeros((6, 3), dtype=np.float32)
    palette[BODY], palette[ACCENT], palette[SHADE] = body, accent, body * rng.uniform(0.55, 0.8)
    palette[DARK] = rng.uniform(15, 60) + rng.normal(0, 8, 3)
    # "Light" parts (windows, faces, stems) are tinted: white patches would otherwise name a class.
    tint = rng.uniform(0, 0.55)
    palette[LIGHT] = (1 - tint) * rng.uniform(190, 245) + tint * rng.uniform(60, 240, 3)
    return np.clip(palette, 0, 255)


def _pose(points: np.ndarray, size: int, side: float, centre: np.ndarray, rng: np.random.Generator):
    """Matrix (2, 2) and offset (2,) from object to pixel coordinates."""
    turn = np.deg2rad(rng.uniform(-25, 25))
    squeeze, shear = rng.uniform(0.78, 1.0), rng.uniform(-0.22, 0.22)
    flip = rng.choice((-1.0, 1.0))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shape = np.array([[flip, shear], [0.0, 1.0]]) @ np.diag(rng.permutation([squeeze, 1.0]))
    matrix = rotation @ shape
    spread = np.ptp(points @ matrix.T, axis=0)
    matrix = matrix * side * size / np.sqrt(spread.prod())
    middle = (points @ matrix.T).min(axis=0) + np.ptp(points @ matrix.T, axis=0) / 2
    return matrix, centre * size - middle


def _polygon(draw: ImageDraw.ImageDraw, points: np.ndarray, fill: int) -> None:
    draw.polygon([(float(x), float(y)) for x, y in points], fill=fill)


def _blur(alpha: np.ndarray, radius: float) -> np.ndarray:
    picture = Image.fromarray((alpha * 255).astype(np.uint8))
    blurred = picture.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, dtype=np.float32) / 255


def _shrink(values: np.ndarray) -> np.ndarray:
    """Mean over the supersampled pixels of each pixel (box filter)."""
    steps = range(_SUPERSAMPLING)
    total = sum(values[i::_SUPERSAMPLING, j::_SUPERSAMPLING] for i in steps for j in steps)
    return total / _SUPERSAMPLING**2


def draw_thing(
    kind: str,
    size: int,
    side: float,
    centre: np.ndarray,
    light: np.ndarray,
    rng: np.random.Generator,
) -> Layer:
    """Draws one thing in a random pose, colour and texture.

    Args:
        kind: A key of :data:`~tl_keras.data.samples_shapes.SHAPES`.
        size: Side of the image, px.
        side: Geometric mean of the width and height of its box, as a share of the image's side.
        centre: Middle of its box, (x, y) as shares of the image's side.
        light: Direction from which the light comes, unit vector (x, y).
        rng: Random generator.

    Returns:
        The layer, cut off at the image's border.
    """
    parts = SHAPES[kind](rng)
    matrix, offset = _pose(np.concatenate([p.points for p in parts]), size, side, centre, rng)
    colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
    texture = TEXTURES[int(rng.integers(len(TEXTURES)))]
    palette = _palette(colour, rng)

    placed = [(part.role, part.points @ matrix.T + offset) for part in parts]
    corners = np.concatenate([points for _, points in placed])
    low = np.floor(corners.min(axis=0)).astype(int) - 1
    high = np.ceil(corners.max(axis=0)).astype(int) + 1
    width, height = high - low
    canvas = Image.new("L", (int(width) * _SUPERSAMPLING, int(height) * _SUPERSAMPLING), 0)
    draw = ImageDraw.Draw(canvas)
    for role, points in placed:
        _polygon(draw, (points - low) * _SUPERSAMPLING - 0.5, role)
    roles = np.asarray(canvas)

    y, x = np.mgrid[0 : roles.shape[0], 0 : roles.shape[1]].astype(np.float32)
    inverse = np.linalg.inv(matrix).tolist()
    shift = (low - offset).tolist()
    x, y = (x + 0.5) / _SUPERSAMPLING + shift[0], (y + 0.5) / _SUPERSAMPLING + shift[1]
    u, v = inverse[0][0] * x + inverse[0][1] * y, inverse[1][0] * x + inverse[1][1] * y
    second = palette[ACCENT] if rng.random() < 0.5 else palette[BODY] * rng.uniform(0.5, 0.75)
    amount = _texture(texture, u, v, rng) * (roles == BODY) * rng.uniform(0.7, 1.0)
    rgb = palette[roles]
    rgb += (second - rgb) * amount[..., None].astype(np.float32)

    solid = (roles > 0).astype(np.float32)
    alpha = _shrink(solid)
    rgb = _shrink(rgb * solid[..., None]) / np.maximum(alpha, 1e-6)[..., None]
    # A rounded look: light on the rim that faces the lamp, shade on the other.
    bulge = _blur(alpha, 0.07 * side * size)
    slope = np.gradient(bulge, axis=1) * light[0] + np.gradient(bulge, axis=0) * light[1]
    rgb *= np.clip(1.0 - rng.uniform(0.5, 1.1) * side * size * 0.12 * slope, 0.5, 1.5)[..., None]

    full_rgb = np.zeros((size, size, 3), dtype=np.float32)
    full_alpha = np.zeros((size, size), dtype=np.float32)
    start, stop = np.clip(low, 0, size), np.clip(high, 0, size)
    inside = (
        slice(start[1] - low[1], stop[1] - low[1]),
        slice(start[0] - low[0], stop[0] - low[0]),
    )
    where = (slice(start[1], stop[1]), slice(start[0], stop[0]))
    full_rgb[where], full_alpha[where] = rgb[inside], alpha[inside]
    return Layer(kind, colour, texture, np.clip(full_rgb, 0, 255), full_alpha, float(alpha.sum()))


def _lay(image: np.ndarray, rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return image + (rgb - image) * alpha[..., None]


def _shadow(image: np.ndarray, alpha: np.ndarray, light: np.ndarray, depth: float, far: float):
    size = len(alpha)
    dx, dy = np.rint(-light * far * size).astype(int)
    moved = np.zeros_like(alpha)
    h, w = size - abs(dy), size - abs(dx)
    moved[max(dy, 0) :, max(dx, 0) :][:h, :w] = alpha[max(-dy, 0) :, max(-dx, 0) :][:h, :w]
    return image * (1 - depth * _blur(moved, 0.02 * size))[..., None]


def _clutter(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A meaningless scrap (ring, stick, leaf-like or jagged patch): rgb and alpha."""
    big = size * _SUPERSAMPLING
    canvas = Image.new("L", (big, big), 0)
    draw = ImageDraw.Draw(canvas)
    centre, radius = rng.uniform(0, 1, 2) * big, rng.uniform(0.03, 0.11) * big
    form, turn = int(rng.integers(4)), rng.uniform(0, np.pi)
    angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius
    if form == 0:
        box = [*(centre - radius), *(centre + radius)]
        draw.ellipse([float(c) for c in box], outline=255, width=max(1, int(radius * 0.4)))
    elif form == 1:
        along = np.array([np.cos(turn), np.sin(turn)]) * radius * 2.2
        ends = [*(centre - along), *(centre + along)]
        draw.line([float(c) for c in ends], fill=255, width=max(1, int(radius * 0.25)))
    else:
        stretch = np.diag([1.0, rng.uniform(0.35, 1.0)]) if form == 2 else np.eye(2)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        _polygon(draw, circle @ stretch @ spin.T + centre, 255)
    alpha = np.asarray(canvas.reduce(_SUPERSAMPLING), dtype=np.float32) / 255
    tone = np.array(list(COLOURS.values())[int(rng.integers(len(COLOURS)))]) * rng.uniform(0.3, 1)
    rgb = tone * (0.7 + 0.6 * value_noise(size, int(rng.integers(4, 24)), rng))[..., None]
    return np.clip(rgb, 0, 255).astype(np.float32), alpha


def _finish(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lamp fall-off, colour cast, contrast, softness, sensor noise."""
    size = len(image)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    slope = rng.uniform(-0.22, 0.22, 2).tolist()
    lamp = 1 + slope[0] * x + slope[1] * y - rng.uniform(0, 0.16) * (x * x + y * y)
    image = image * lamp[..., None] * rng.uniform(0.9, 1.1, 3) * rng.uniform(0.82, 1.15)
    image = 118 + (image - 118) * rng.uniform(0.75, 1.1)
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9) * size / 160))
    noisy = np.asarray(picture) + rng.uniform(1, 7) * rng.standard_normal(
        (size, size, 3), dtype=np.float32
    )
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _visible(layers: list[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """Instance map uint16 (S, S) and the visible area of each layer, px."""
    instances = np.zeros(layers[0].alpha.shape, dtype=np.uint16)
    for k, layer in enumerate(layers):
        instances[layer.alpha >= 0.5] = k + 1
    return instances, np.bincount(instances.ravel(), minlength=len(layers) + 1)[1:]


def compose(kind: str, size: int, rng: np.random.Generator) -> Scene:
    """Composes a picture whose largest thing is of the given kind.

    Args:
        kind: The main thing, a key of :data:`~tl_keras.data.samples_shapes.SHAPES`.
        size: Side of the image, px.
        rng: Random generator.

    Returns:
        The scene, the main thing last in ``layers`` or before a smaller one that overlaps it.
    """
    surface = SURFACES[int(rng.integers(len(SURFACES)))]
    turn = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(turn), np.sin(turn)])
    image = draw_background(surface, size, rng)
    scraps = [_clutter(size, rng) for _ in range(int(rng.integers(2, 7)))]
    image = _shadow(image, np.max([alpha for _, alpha in scraps], axis=0), light, 0.35, 0.012)
    for rgb, alpha in scraps:
        image = _lay(image, rgb, alpha)

    side = rng.uniform(0.54, 0.84)
    centre = rng.uniform(side * 0.46, 1 - side * 0.46, 2)
    main = draw_thing(kind, size, side, centre, light, rng)
    layers = [main]
    kinds = list(SHAPES)
    for _ in range(int(rng.choice(3, p=(0.4, 0.4, 0.2)))):
        other = kinds[int(rng.integers(len(kinds)))]
        small = side * rng.uniform(0.36, 0.56)
        for _ in range(10):
            place = rng.uniform(small * 0.4, 1 - small * 0.4, 2)
            if np.hypot(*(place - centre)) < 0.44 * (side + small):
                continue
            thing = draw_thing(other, size, small, place, light, rng)
            trial = [*layers, thing] if rng.random() < 0.5 else [thing, *layers]
            _, areas = _visible(trial)
            shares = areas / [layer.whole for layer in trial]
            position = next(k for k, layer in enumerate(trial) if layer is main)
            rest = np.delete(areas, position)
            if shares.min() >= _MINIMUM_VISIBLE and areas[position] >= 1.3 * rest.max():
                layers = trial
                break

    for layer in layers:
        image = _shadow(image, layer.alpha, light, rng.uniform(0.3, 0.6), rng.uniform(0.01, 0.04))
        image = _lay(image, layer.rgb, layer.alpha)
    instances, _ = _visible(layers)
    return Scene(_finish(image, rng), layers, instances, surface)
