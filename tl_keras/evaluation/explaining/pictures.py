"""An image beside what speaks for a class in it, by each method."""

from collections.abc import Mapping

import cv2
import numpy as np

from tl_keras.data.framing import Frame
from tl_keras.evaluation.drawing import Panel
from tl_keras.evaluation.picture_layout import Entry, compose

_SIDE = 300  # px: five panels side by side are as wide as a desktop
_SHADES = {0: "nothing", 85: "", 170: "", 255: "speaks most for it"}


def explanation_picture(
    image: np.ndarray, maps: Mapping[str, np.ndarray], frame: Frame, title: str, *,
    side: int = _SIDE,
) -> np.ndarray:  # fmt: skip
    """Draws the part of an image that the model sees, and beside it each map over that part.

    Args:
        image: uint8 (H, W, 3).
        maps: By what stands above it, float (S, S), 0..1, in the model's square.
        frame: How the image lies in that square.
        title: Above the image: what is explained.
        side: Longer side of each panel, px.

    Returns:
        uint8 (height, width, 3), with a scale of the colours below (inferno, which the
        colour-blind and grey prints order alike).

    Example:
        >>> shown = explanation_picture(
        ...     np.zeros((60, 80, 3), np.uint8), {"Grad-CAM": np.ones((32, 32))},
        ...     Frame(60, 80, 32, "crop"), "dog 0.93", side=100,
        ... )
        >>> shown.shape[1] > 200
        True
    """
    square = np.array([0, 0, frame.size, frame.size])
    x1, y1, x2, y2 = frame.boxes(square).round().astype(int)
    seen = image[y1:y2, x1:x2]
    panels = [Panel(seen, title, side)]
    for name, heat in maps.items():
        panel = Panel(seen, name, side)
        panel.fade(1.0)
        panel.heat(frame.mask(np.asarray(heat, "float32"), 0)[y1:y2, x1:x2])
        panels.append(panel)
    return compose(panels, [Entry(_inferno(shade), words) for shade, words in _SHADES.items()])


def _inferno(shade: int) -> tuple[int, int, int]:
    blue, green, red = cv2.applyColorMap(np.array([[shade]], np.uint8), cv2.COLORMAP_INFERNO)[0, 0]
    return int(red), int(green), int(blue)
