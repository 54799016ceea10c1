"""Colours of pictures of boxes and masks: by class, by thing, by kind of error."""

import colorsys

Colour = tuple[int, int, int]

INK: Colour = (236, 240, 244)
STRIP: Colour = (28, 36, 48)
"""Of what surrounds the images; stands out on a light and on a dark page."""
DARK_LINE: Colour = (0, 0, 0)
LIGHT_LINE: Colour = (255, 255, 255)
KIND_COLOURS: dict[str, Colour] = {
    "wrong_class": (238, 119, 51),
    "bad_box": (51, 187, 238),
    "wrong_class_and_box": (187, 187, 187),
    "double": (0, 119, 187),
    "background": (204, 51, 17),
    "missed": (238, 51, 119),
}
"""By kind of error (Paul Tol's vibrant scheme, https://personal.sron.nl/~pault/); each is also
named in words."""
# Okabe and Ito's seven colours (https://jfly.uni-koeln.de/color/), which the colour-blind tell
# apart, then those of Tol's muted scheme that are least like them.
_PALETTE: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (51, 34, 136), (221, 221, 221), (136, 34, 85), (68, 170, 153), (153, 153, 51),
    (221, 204, 119), (170, 68, 153), (17, 119, 51),
)  # fmt: skip
_GOLDEN = 0.618034  # turns of the colour circle: successive hues stay far apart


def colour_of(number: int) -> Colour:
    """The colour of a class or of a thing.

    Args:
        number: Of the class, >= 0.

    Returns:
        RGB.  The first seven are told apart by the colour-blind too; no much larger set can be.

    Example:
        >>> colour_of(0)
        (230, 159, 0)
    """
    if number < len(_PALETTE):
        return _PALETTE[number]
    turn = (number * _GOLDEN) % 1
    light = (0.95, 0.7, 0.5)[number % 3]
    red, green, blue = colorsys.hsv_to_rgb(turn, 0.75, light)
    return round(255 * red), round(255 * green), round(255 * blue)


def contrast_of(colour: Colour) -> Colour:
    """Black or white, whichever is read on a colour.

    Example:
        >>> contrast_of((255, 255, 0))
        (0, 0, 0)
    """
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return DARK_LINE if light > 128 else LIGHT_LINE
