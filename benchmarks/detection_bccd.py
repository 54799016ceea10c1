"""Blood cells: a detector trained on the set's own train part, chosen on val, measured on test.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/detection_bccd.py ../shared/data/bccd

The head trains alone first, then everything, in a plain ``model.fit`` over pictures turned over at
random.  Average precision is COCO's, with 95 % intervals over the test images; seconds are of the
clock and of the processor, of training alone.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

from tl_keras.backbones.calibration import calibrate_batch_norm
from tl_keras.backbones.freezing import unfreeze
from tl_keras.builders.detector import build_detector
from tl_keras.builders.suppression import detection_model
from tl_keras.data.boxes import Boxes
from tl_keras.data.decoding import read_image
from tl_keras.data.reading.voc import from_voc
from tl_keras.data.resizing import resize_image
from tl_keras.evaluation.detection_metrics import evaluate_detection
from tl_keras.tasks.box_targets import detection_targets
from tl_keras.tasks.detection_metric import DetectionAveragePrecision
from tl_keras.tasks.detection_objective import DetectionLoss


class Turned(keras.utils.PyDataset):
    """Batches of a part, each picture turned over at random, left to right and upside down."""

    def __init__(self, images, targets, batch, seed):
        super().__init__()
        self.images, self.targets, self.batch = images, targets, batch
        self.rng = np.random.default_rng(seed)
        self.order = self.rng.permutation(len(images))

    def __len__(self):
        return len(self.images) // self.batch

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.images))

    def __getitem__(self, number):
        chosen = self.order[number * self.batch : (number + 1) * self.batch]
        images, targets = self.images[chosen].copy(), self.targets[chosen].copy()
        size = images.shape[1]
        for image, rows in zip(images, targets, strict=True):
            real = rows[:, 5] != 0
            for axis, low, high in ((1, 0, 2), (0, 1, 3)):
                if self.rng.random() < 0.5:
                    image[:] = np.flip(image, axis)
                    rows[real, low], rows[real, high] = (
                        size - rows[real, high], size - rows[real, low]
                    )  # fmt: skip
        return images, targets


def part(examples, size):
    """Pictures stretched to a square, and their boxes with them."""
    images, boxes = [], []
    for path, own in zip(examples.paths, examples.boxes, strict=True):
        image = read_image(path)
        height, width = image.shape[:2]
        images.append(resize_image(image, size, "stretch"))
        scale = np.array([size / width, size / height] * 2, "float32")
        boxes.append(Boxes.of(own.xyxy * scale, own.classes, own.ignore))
    return np.stack(images), detection_targets(boxes)


def rate(epochs, steps, peak):
    """Warm-up over a tenth, then a cosine down to nothing."""
    total = epochs * steps
    return keras.optimizers.schedules.CosineDecay(
        peak / 20, total - total // 10, warmup_target=peak, warmup_steps=total // 10
    )


def train(model, parts, options, seed):
    batches = Turned(*parts["train"], options.batch, seed)
    figures = []
    for epochs, peak in ((options.head_epochs, options.rate), (options.epochs, options.rate)):
        if not epochs:
            continue
        if figures:
            unfreeze(model, options.stages)
        optimizer = keras.optimizers.AdamW(
            rate(epochs, len(batches), peak), weight_decay=0.01, global_clipnorm=5.0
        )
        classes = model.output_shape[-1] - 4
        model.compile(
            optimizer, DetectionLoss.of(model),
            metrics=[DetectionAveragePrecision(classes, options.size)],
        )  # fmt: skip
        history = model.fit(
            batches, epochs=epochs, validation_data=parts["val"], validation_freq=5, verbose=2,
        )  # fmt: skip
        figures.append(history.history["loss"][-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with JPEGImages and Annotations")
    parser.add_argument("--backbone", default="mobilenet_v2_035")
    parser.add_argument("--weights", default="imagenet", help="imagenet, bundled or none")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--strides", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--head", default="fcos", help="fcos or yolov8")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--head-epochs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=17, help="with the base unfrozen")
    parser.add_argument("--stages", default="all", help="which of the base to unfreeze")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args()
    examples = from_voc(options.data, progress=False)
    parts = {name: part(examples.part(name), options.size) for name in ("train", "val", "test")}
    runs = []
    for seed in options.seeds:
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = build_detector(
            options.backbone, len(examples.class_names), image_size=options.size,
            weights=options.weights, strides=options.strides, width=options.width,
            head=options.head,
        )  # fmt: skip
        if options.weights == "none":
            calibrate_batch_norm(model, parts["train"][0][:64])
        start = time.time(), time.process_time()
        train(model, parts, options, seed)
        seconds = time.time() - start[0], time.process_time() - start[1]
        found = {"seed": seed, "seconds": seconds[0], "processor_seconds": seconds[1]}
        final = detection_model(model, score_threshold=0.01)
        for name in ("val", "test"):
            images, targets = parts[name]
            figures = evaluate_detection(
                targets, final.predict(images, batch_size=8, verbose=0), examples.class_names
            )
            found[name] = {key: figures[key] for key in ("ap", "ap50", "ap75")} | {
                row["name"]: row["ap50"]["value"] for row in figures["per_class"]
            }
            found[name]["errors"] = figures["errors"]["total"]
        print(json.dumps(found), flush=True)
        runs.append(found)
    if options.output:
        told = {**vars(options), "data": options.data.name, "output": None, "runs": runs}
        options.output.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
