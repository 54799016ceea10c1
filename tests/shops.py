"""A small catalogue that can be searched: plain colours, and columns to filter by."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from tl_keras.retrieval import index_catalogue, open_embedder, read_catalogue

COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 60, 200)}
EVIL = "<img src=x onerror=window.pwned=1>"
"""A value of the column ``maker``, to be shown as the text it is."""
ODD = 'odd #1 ü & "2"?.png'
"""A file's name that means something in addresses and in HTML."""


def paint(path: Path, colour: str, seed: int, side: int = 400) -> None:
    """A picture of a colour with stripes, each seed its own."""
    rng = np.random.default_rng(seed)
    stripes = np.sin(np.arange(side) / rng.uniform(3, 40))[:, None, None]
    pixels = np.array(COLOURS[colour]) + 40 * stripes + rng.normal(0, 6, (side, side // 2, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path)


def make_shop(root: Path, each: int = 12):
    """Pictures below ``root / "shop"`` with a table, indexed in ``root / "index"``."""
    rows = []
    for number, colour in enumerate(sorted(COLOURS) * each):
        name = ODD if number == 4 else f"{number:02d}.png"
        paint(root / "shop" / "images" / name, colour, number)
        rows.append(
            {
                "image": f"images/{name}", "colour": colour, "price": 10 + number,
                "gender": "Women" if number % 2 else "Men", "new": str(number % 3 == 0).lower(),
                "maker": EVIL if number % 5 == 0 else "ours",
            }
        )  # fmt: skip
    with (root / "shop" / "table.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    embedder = open_embedder("mobilenet_v3_small", image_size=32)
    examples = read_catalogue(root / "shop" / "table.csv", progress=False)
    return index_catalogue(examples, root / "index", embedder)
