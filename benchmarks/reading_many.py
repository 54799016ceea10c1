"""Reading and checking 20,000 images in every format: files per second and peak memory.

    python benchmarks/reading_many.py
    python benchmarks/reading_many.py --only coco --count 2000

Each line is a process of its own that calls ``open_data`` once: annotations are parsed, every image
(and mask) is decoded and hashed, and the table is built.  The images are 200 photographs' worth of
noise (500 x 400 JPEG, each with three boxes and a mask), hard-linked to make up the number, so the
disk is not what is measured.  ``table, 100,000 rows`` lists five boxes for each image, a row each;
a file is decoded once, however often it is listed.  Of ``tfrecord`` and ``zip`` the first line
writes the images into files, the second finds them there.  ``seconds`` is without starting Python;
``peak`` is the process's largest resident memory, libraries included.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

DISTINCT = 200
SIZE = 500, 400
BOXES = [(10, 20, 110, 220), (150, 30, 320, 380), (330, 100, 490, 300)]
CLASSES = ("ants", "bees")
CASES = {
    "class folders": "folder",
    "table": "table.csv",
    "table, 100,000 rows": "boxes.csv",
    "voc": "voc",
    "coco": "coco.json",
    "yolo": "yolo",
    "masks": "masks",
    "tfrecord": "train.tfrecord",
    "tfrecord, again": "train.tfrecord",
    "zip": "photos.zip",
    "zip, again": "photos.zip",
}


def write_pictures(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for i in range(DISTINCT):
        coarse = random.integers(0, 256, (25, 32, 3), np.uint8)
        photo = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
        noise = random.normal(0, 6, (SIZE[1], SIZE[0], 3))
        pixels = np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg", quality=90)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        for k, (x1, y1, x2, y2) in enumerate(BOXES):
            mask[y1:y2, x1:x2] = 1 + (k + i) % 2
        Image.fromarray(mask).save(folder / f"{i}.png")


def linked(distinct: Path, folder: Path, count: int, suffix: str = ".jpg") -> list[str]:
    """Links so many files; a picture keeps its class, or it would contradict itself."""
    folder.mkdir(parents=True)
    names = [f"{i:06d}{suffix}" for i in range(count)]
    for i, name in enumerate(names):
        (folder / name).hardlink_to(distinct / f"{i % DISTINCT}{suffix}")
    return names


def class_of(i: int) -> str:
    return CLASSES[i % DISTINCT % 2]


def make(root: Path, count: int, wanted: set[str]) -> None:
    """Writes the sources that are wanted, of ``CASES``."""
    distinct = root / "distinct"
    distinct.mkdir()
    write_pictures(distinct)
    names = linked(distinct, root / "images", count)
    makers = {
        "folder": make_folders, "table.csv": make_table, "boxes.csv": make_boxes, "voc": make_voc,
        "coco.json": make_coco, "yolo": make_yolo, "masks": make_masks,
    }  # fmt: skip
    for path in wanted & makers.keys():
        makers[path](root, distinct, names)
    if wanted & {"train.tfrecord", "photos.zip"}:
        make_packed(root, distinct, names)


def make_folders(root: Path, distinct: Path, names: list[str]) -> None:
    for i, name in enumerate(names):
        target = root / "folder" / class_of(i) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(distinct / f"{i % DISTINCT}.jpg")


def write_rows(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)


def make_table(root: Path, distinct: Path, names: list[str]) -> None:
    rows = ((f"images/{name}", class_of(i)) for i, name in enumerate(names))
    write_rows(root / "table.csv", ("path", "label"), rows)


def make_boxes(root: Path, distinct: Path, names: list[str]) -> None:
    rows = (
        (f"images/{name}", x, 20, x + 60, 80, CLASSES[x // 80 % 2])
        for name in names
        for x in range(0, 400, 80)
    )
    write_rows(root / "boxes.csv", ("path", "xmin", "ymin", "xmax", "ymax", "class"), rows)


def make_voc(root: Path, distinct: Path, names: list[str]) -> None:
    width, height = SIZE
    linked(distinct, root / "voc/JPEGImages", len(names))
    (root / "voc/Annotations").mkdir()
    things = "".join(
        f"<object><name>{CLASSES[k % 2]}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for k, (x1, y1, x2, y2) in enumerate(BOXES)
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    for name in names:
        text = f"<annotation><filename>{name}</filename>{size}{things}</annotation>"
        (root / "voc/Annotations" / name).with_suffix(".xml").write_text(text)


def make_coco(root: Path, distinct: Path, names: list[str]) -> None:
    width, height = SIZE
    coco = {
        "images": [
            {"id": i, "file_name": f"images/{name}", "width": width, "height": height}
            for i, name in enumerate(names)
        ],
        "annotations": [
            {"id": 3 * i + k, "image_id": i, "category_id": k % 2 + 1, "iscrowd": 0,
             "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            for i in range(len(names)) for k, (x1, y1, x2, y2) in enumerate(BOXES)
        ],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
    }  # fmt: skip
    (root / "coco.json").write_text(json.dumps(coco))


def make_yolo(root: Path, distinct: Path, names: list[str]) -> None:
    width, height = SIZE
    linked(distinct, root / "yolo/images", len(names))
    (root / "yolo/labels").mkdir()
    (root / "yolo/data.yaml").write_text(f"path: .\ntrain: images\nnames: {list(CLASSES)}\n")
    lines = "".join(
        f"{k % 2} {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} "
        f"{(y2 - y1) / height}\n"
        for k, (x1, y1, x2, y2) in enumerate(BOXES)
    )
    for name in names:
        (root / "yolo/labels" / name).with_suffix(".txt").write_text(lines)


def make_masks(root: Path, distinct: Path, names: list[str]) -> None:
    linked(distinct, root / "masks/images", len(names))
    linked(distinct, root / "masks/masks", len(names), ".png")


def make_packed(root: Path, distinct: Path, names: list[str]) -> None:
    """Every image made distinct by a few bytes after its end, which decoders pass over."""
    import tensorflow as tf

    def feature(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    with (
        tf.io.TFRecordWriter(str(root / "train.tfrecord")) as writer,
        zipfile.ZipFile(root / "photos.zip", "w") as packed,
    ):
        for i, name in enumerate(names):
            data = (distinct / f"{i % DISTINCT}.jpg").read_bytes() + i.to_bytes(4, "little")
            features = {"image": feature(data), "label": feature(class_of(i).encode())}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
            packed.writestr(f"photos/{class_of(i)}/{name}", data)


def measure(source: str) -> dict:
    from tl_keras.data import open_data

    began, cpu = time.perf_counter(), time.process_time()
    # What the values of a mask mean stands in no file.
    options = {"class_names": ["background", *CLASSES]} if Path(source).name == "masks" else {}
    examples = open_data(source, progress=False, **options)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    boxes = sum(map(len, examples.boxes)) if examples.boxes else 0
    return {
        "images": len(examples), "boxes": boxes, "masks": len(examples.masks or ()),
        "skipped": len(examples.skipped), "seconds": seconds, "core_seconds": cpu,
        "peak_mib": peak_mib(),
    }  # fmt: skip


def peak_mib() -> float:
    """Of this program alone: ``ru_maxrss`` would count what started it as well."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(li for li in status.read_text().splitlines() if li.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 1024


def in_own_process(*arguments: str, home: Path) -> str:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000, help="images (default: 20,000)")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wanted = {case: path for case, path in CASES.items() if options.only in case}
    if options.make:
        make(Path(options.make), options.count, set(wanted.values()))
        return
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        home = root / "keras_home"
        count = str(options.count)
        in_own_process("--make", name, "--count", count, "--only", options.only, home=home)
        print(
            "| format | images | boxes | masks | seconds | images/s | per core-second | peak MiB |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for case, path in wanted.items():
            row = json.loads(in_own_process("--one", str(root / path), home=home).splitlines()[-1])
            assert not row["skipped"] and row["images"] == options.count, row
            print(
                f"| {case} | {row['images']} | {row['boxes']} | {row['masks']} | "
                f"{row['seconds']:.1f} | {row['images'] / row['seconds']:.0f} | "
                f"{row['images'] / row['core_seconds']:.0f} | {row['peak_mib']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
