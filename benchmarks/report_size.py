"""How large the report of a usual run is, and how soon it opens.

    python benchmarks/report_size.py

Makes 7,000 pictures of 37 classes from the sample set (eight shapes, hues turned, mirrored and
cut anew: repeated data, no two files alike), computes a head on the shipped base and saves the
run.  Printed are the size of ``report.html``, what the pictures in it take, how long the saving
took, and for a desktop and a phone the milliseconds until headless Chromium has read the page
(DOMContentLoaded), has loaded it (load) and has drawn it (two frames later); the median of five.
Needs Chromium on the path.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import tl_keras as tl
from tl_keras.data.sample_examples import sample_examples

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import Browser

_DRAWN = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const t = performance.getEntriesByType('navigation')[0];
  done([t.domContentLoadedEventEnd, t.loadEventEnd, performance.now()]);
})))"""


def repeated(folder: Path, images: int, classes: int) -> None:
    """The pictures, a folder a class."""
    sample = sample_examples()
    kinds = [np.flatnonzero(sample.labels == k) for k in range(len(sample.class_names))]
    sources = [np.asarray(Image.open(path).convert("RGB")) for path in sample.paths]
    rng = np.random.default_rng(0)
    for number in range(images):
        label = number % classes
        kind, turn = label % len(kinds), 36 * (label // len(kinds))
        pixels = sources[kinds[kind][rng.integers(len(kinds[kind]))]]
        hues = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
        hues[..., 0] = (hues[..., 0].astype(int) + turn) % 180
        pixels = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[:, :: rng.choice([1, -1])]
        top, left = rng.integers(0, 24, 2)
        place = folder / f"{sample.class_names[kind]}-{turn:03d}"
        place.mkdir(parents=True, exist_ok=True)
        cut = np.ascontiguousarray(pixels[top : top + 136, left : left + 136])
        Image.fromarray(cut).save(place / f"{number:05d}.jpg", quality=88)


def opened(page: Path, width: int, phone: bool) -> dict[str, float]:
    """Milliseconds, medians of five openings."""
    times = []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(Path(profile))
        browser.resize(width, 844 if phone else 900, phone)
        for _ in range(5):
            browser.open("about:blank", "true")
            browser.open(page.as_uri(), "document.querySelector('nav')")
            times.append(browser.run(_DRAWN))
        overflow = browser.run("document.documentElement.scrollWidth > innerWidth")
        assert not browser.errors and not overflow, (browser.errors, overflow)
        browser.close()
    names = ("dom_content_loaded_ms", "load_ms", "drawn_ms")
    return {
        name: round(statistics.median(column), 1)
        for name, column in zip(names, zip(*times, strict=True), strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=7000)
    parser.add_argument("--classes", type=int, default=37)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--keep", metavar="DIR", help="keep the artefact there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        repeated(folder / "data", options.images, options.classes)
        train, val = tl.data.from_folder(folder / "data").split(0.2, seed=0)
        model = tl.build_classifier(
            "mobilenet_v3_small", options.classes, image_size=options.image_size, weights="bundled"
        )
        run = tl.fit(model, train, val, recipe="ridge")
        began = time.perf_counter()
        saved = run.save(options.keep or folder / "run")
        seconds = time.perf_counter() - began
        page = saved / "report.html"
        text = page.read_text(encoding="utf-8")
        pictures = re.findall(r"data:image/\w+;base64,[A-Za-z0-9+/=]+", text)
        found = {
            "images": len(train) + len(val),
            "classes": options.classes,
            "validation_images": len(val),
            "errors": round((1 - run.metrics["accuracy"]["value"]) * len(val)),
            "megabytes": round(len(text.encode()) / 1e6, 3),
            "pictures": len(pictures),
            "megabytes_of_pictures": round(sum(map(len, pictures)) / 1e6, 3),
            "save_seconds": round(seconds, 1),
            "desktop": opened(page, 1280, False),
            "phone": opened(page, 390, True),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
