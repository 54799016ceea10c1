"""The built-in sample set: generated pictures with a label, tags, boxes and masks for every task.

Eight kinds of drawn things lie on cluttered surfaces in any colour, texture, pose, size and light;
a picture's label is its main (largest) thing.  Pictures are a function of (version, seed, index),
so the set needs no download and is the same everywhere.  Colour and place do not tell the class:
see ``tests/test_samples.py`` for the measured accuracy of colour histograms and of random features.
"""

import functools
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tl_keras.data.samples_backgrounds import SURFACES
from tl_keras.data.samples_scene import COLOURS, TEXTURES, compose
from tl_keras.data.samples_shapes import SHAPES
from tl_keras.errors import InputError

SAMPLE_VERSION = 1
"""Raised whenever a change of the code changes a pixel or a target."""
SAMPLE_CLASSES: tuple[str, ...] = tuple(SHAPES)
"""Class names in order; a label is an index into this, a semantic id is the label + 1."""
SAMPLE_TAGS: tuple[str, ...] = (
    *SAMPLE_CLASSES,
    *COLOURS,
    *TEXTURES,
    *(f"on {surface}" for surface in SURFACES),
)
"""Every tag a picture may carry: kinds of things in it; colour and texture of the main thing; the
surface below."""
SAMPLES_PER_CLASS: dict[str, int] = {"train": 30, "val": 25}
"""Pictures per class in each part of the set on disk."""

_SMALLEST = 32
_JPEG_QUALITY = 88


@dataclass(frozen=True)
class Sample:
    """One generated picture with everything that is known about it.

    Attributes:
        image: RGB, uint8 (S, S, 3).
        label: Index of the main thing's kind in :data:`SAMPLE_CLASSES`.
        tags: Tags in the order of :data:`SAMPLE_TAGS`.
        boxes: float32 (N, 4), ``x1, y1, x2, y2`` in px, far edges exclusive: the hull of the
            visible pixels of each thing.  The main thing comes first.
        box_labels: int32 (N,), kind of each thing.
        semantic_mask: uint8 (S, S), 0 background, label + 1 elsewhere.
        instance_mask: uint16 (S, S), 0 background, k for the k-th box (from 1).
    """

    image: np.ndarray
    label: int
    tags: tuple[str, ...]
    boxes: np.ndarray
    box_labels: np.ndarray
    semantic_mask: np.ndarray
    instance_mask: np.ndarray


def _hull(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def generate_sample(index: int, seed: int = 0, image_size: int = 160) -> Sample:
    """Generates one picture and its targets.

    The class is ``index % 8``.  Another size is another picture, not the same one resized.

    Args:
        index: Number of the picture, >= 0.
        seed: Seed of the set, >= 0.
        image_size: Side of the square picture, px, >= 32.

    Returns:
        The sample.

    Raises:
        InputError: If an argument is below its smallest value.

    Example:
        >>> sample = generate_sample(3)
        >>> SAMPLE_CLASSES[sample.label], sample.image.shape
        ('fish', (160, 160, 3))
    """
    if index < 0 or seed < 0 or image_size < _SMALLEST:
        raise InputError(
            f"index {index}, seed {seed}, image_size {image_size}: expected index and seed >= 0 "
            f"and image_size >= {_SMALLEST} px; raise the one that is too small"
        )
    label = index % len(SAMPLE_CLASSES)
    rng = np.random.default_rng([SAMPLE_VERSION, seed, index])
    scene = compose(SAMPLE_CLASSES[label], image_size, rng)

    # The main thing is the largest that is visible; it becomes number 1.
    areas = np.bincount(scene.instances.ravel(), minlength=len(scene.layers) + 1)[1:]
    order = np.argsort(-areas, kind="stable")
    renumber = np.zeros(len(order) + 1, dtype=np.uint16)
    renumber[order + 1] = np.arange(1, len(order) + 1)
    instances = renumber[scene.instances]
    things = [scene.layers[k] for k in order]
    labels = np.array([SAMPLE_CLASSES.index(thing.kind) for thing in things], dtype=np.int32)
    present = {thing.kind for thing in things}
    present |= {things[0].colour, things[0].texture, f"on {scene.surface}"}
    return Sample(
        image=scene.image,
        label=label,
        tags=tuple(tag for tag in SAMPLE_TAGS if tag in present),
        boxes=np.array([_hull(instances == k + 1) for k in range(len(things))], dtype=np.float32),
        box_labels=labels,
        semantic_mask=np.concatenate([[0], labels + 1]).astype(np.uint8)[instances],
        instance_mask=instances,
    )


def _run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run-length code: column by column, starting with the zeros."""
    flat = mask.ravel(order="F").astype(np.int8)
    changes = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
    return np.diff([0, *changes, flat.size]).tolist()


def _annotations(sample: Sample, image_id: int) -> Iterator[dict]:
    for k, (box, label) in enumerate(zip(sample.boxes.tolist(), sample.box_labels, strict=True)):
        mask = sample.instance_mask == k + 1
        x1, y1, x2, y2 = box
        yield {
            "id": 100 * image_id + k,
            "image_id": image_id,
            "category_id": int(label) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": int(mask.sum()),
            "segmentation": {"size": list(mask.shape), "counts": _run_lengths(mask)},
            "iscrowd": 0,
        }


def _write_one(root: Path, split: str, image_id: int, index: int, seed: int) -> tuple[dict, list]:
    sample = generate_sample(index, seed)
    name = SAMPLE_CLASSES[sample.label]
    stem = f"{name}_{index // len(SAMPLE_CLASSES):04d}"
    files = {
        "file_name": f"images/{split}/{name}/{stem}.jpg",
        "semantic_file": f"masks/semantic/{split}/{stem}.png",
        "instance_file": f"masks/instances/{split}/{stem}.png",
    }
    Image.fromarray(sample.image).save(root / files["file_name"], quality=_JPEG_QUALITY)
    Image.fromarray(sample.semantic_mask).save(root / files["semantic_file"])
    Image.fromarray(sample.instance_mask).save(root / files["instance_file"])
    height, width = sample.image.shape[:2]
    record = {"id": image_id, **files, "width": width, "height": height, "split": split}
    record |= {"label": name, "tags": list(sample.tags)}
    return record, list(_annotations(sample, image_id))


def write_sample_set(folder: str | os.PathLike, seed: int = 0) -> Path:
    """Writes the sample set: 8 classes, 30 training and 25 validation pictures each, 160 px.

    Layout: ``images/{train,val}/<class>/*.jpg`` (a folder per class, see
    :func:`classification_folder`), ``masks/semantic/{train,val}/*.png`` (ids as in
    :class:`Sample`), ``masks/instances/{train,val}/*.png`` (16 bit) and ``annotations.json`` in
    `COCO's form <https://cocodataset.org/#format-data>`_, whose images also carry ``split``,
    ``label``, ``tags`` and the paths of their masks.

    Args:
        folder: Where to write; made if missing, must be empty.
        seed: Seed of the set, >= 0.

    Returns:
        The folder.

    Raises:
        InputError: If the folder holds something already or is a file, or the seed is negative.

    Example:
        >>> root = write_sample_set("/tmp/samples")  # doctest: +SKIP
        >>> sorted(path.name for path in root.iterdir())  # doctest: +SKIP
        ['annotations.json', 'images', 'masks']
    """
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"{root} is not an empty folder; name a new folder for the sample set, or empty it"
        )
    jobs: list[tuple[Path, str, int, int, int]] = []
    for split, count in SAMPLES_PER_CLASS.items():
        for kind in ("semantic", "instances"):
            (root / "masks" / kind / split).mkdir(parents=True)
        for name in SAMPLE_CLASSES:
            (root / "images" / split / name).mkdir(parents=True)
        for _ in range(count * len(SAMPLE_CLASSES)):
            jobs.append((root, split, len(jobs) + 1, len(jobs), seed))
    with ThreadPoolExecutor() as pool:
        written = list(pool.map(lambda job: _write_one(*job), jobs))
    coco = {
        "info": {"description": "tl_keras sample set", "version": str(SAMPLE_VERSION)},
        "images": [record for record, _ in written],
        "annotations": [entry for _, entries in written for entry in entries],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(SAMPLE_CLASSES)],
        "tags": list(SAMPLE_TAGS),
    }
    # Written last: its presence says that the set is whole.
    text = json.dumps(coco, separators=(",", ":"))
    (root / "annotations.json").write_text(text, encoding="utf-8")
    return root


def _is_whole(root: Path) -> bool:
    try:
        images = json.loads((root / "annotations.json").read_text(encoding="utf-8"))["images"]
    except (OSError, ValueError, KeyError):
        return False
    keys = ("file_name", "semantic_file", "instance_file")
    return all((root / image[key]).is_file() for image in images for key in keys)


def _cache_folder() -> Path:
    home = os.environ.get("KERAS_HOME")
    base = Path(home) if home else Path.home() / ".keras"
    return base.expanduser() / "datasets" / f"tl_keras_samples_{SAMPLE_VERSION}"


@functools.cache
def _temporary_set() -> Path:
    return write_sample_set(tempfile.mkdtemp(prefix=f"tl_keras_samples_{SAMPLE_VERSION}_"))


def sample_set() -> Path:
    """Returns the folder of the sample set (seed 0), writing it on first use.

    It stands in ``datasets/tl_keras_samples_<version>`` under ``KERAS_HOME`` (default
    ``~/.keras``) and is moved there in one step, so that a killed or a second process never leaves
    or sees half a set; a set with missing files is written anew.  Where that place cannot be
    written, a temporary folder serves this process, with a warning that names it.

    Returns:
        The folder, laid out as :func:`write_sample_set` says.

    Example:
        >>> (sample_set() / "annotations.json").is_file()
        True
    """
    target = _cache_folder()
    if _is_whole(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{target.name}_", dir=target.parent))
    except OSError as error:
        root = _temporary_set()
        warnings.warn(
            f"{target} cannot be written ({error.strerror}); the sample set is in {root} for this "
            "process; set KERAS_HOME to a writable folder to keep it",
            stacklevel=2,
        )
        return root
    try:
        write_sample_set(scratch / "new")
        if target.exists() and not _is_whole(target):
            target.rename(scratch / "old")
        try:
            (scratch / "new").rename(target)
        except OSError:
            if not _is_whole(target):  # else another process was first, with the same set
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def classification_folder(root: str | os.PathLike | None = None) -> Path:
    """Returns the part of a sample set that holds a folder per class, under ``train`` and ``val``.

    Args:
        root: Folder of a sample set; by default :func:`sample_set`'s.

    Returns:
        A folder to give to ``tl_keras.data.from_folder``.

    Example:
        >>> sorted(path.name for path in classification_folder().iterdir())
        ['train', 'val']
    """
    return (sample_set() if root is None else Path(root)) / "images"
