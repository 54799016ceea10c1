"""Small catalogues and models for the tests of search: pictures, tables, artefacts untrained."""

import csv
import json

import keras
import numpy as np
import tiny_backbone
from PIL import Image

import tl_keras as tl

NAMES = [f"{kind}/{number}.png" for kind in ("bags", "shoes") for number in range(4)]


def paint(path, seed):
    """A picture of sixteen coloured squares."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((40, 40), Image.Resampling.NEAREST).save(path)


def table(file, rows):
    """A CSV table of dictionaries."""
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def artefact(folder, model, task, **said):
    """An artefact as ``run.save`` writes it, without training."""
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    names = {"tag_names" if task == "tag" else "class_names": ["a", "b"]}
    said = {"format": 1, "task": task, "image_size": 32, "resize": "crop", **names, **said}
    (folder / "model.json").write_text(json.dumps(said))
    return folder


def tiny_embedder(folder, seed=0):
    """An artefact of task embed that is quick to open: 8 numbers, random weights."""
    keras.utils.set_random_seed(seed)
    model = tl.build_embedder(tiny_backbone.NAME, 8, image_size=32, weights=None)
    settings = {"threshold": 0.61, "false_accept_rate": 0.01}
    return artefact(folder, model, "embed", settings=settings)
