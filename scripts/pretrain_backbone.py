"""Pretrain a compact backbone from scratch: by labels and, if asked, by a teacher's features.

    python scripts/pretrain_backbone.py photos/ --output saved_models/pretrained
    python scripts/pretrain_backbone.py shards/ --backbone mobilenet_v3_small \\
        --teacher mobilenet_v2 --sizes 64:12,96:14 --output saved_models/pretrained

DATA is a folder per class (or train/ and val/ folders of them), or a folder of ``shard*.npz`` with
``classes.json`` (encoded images in one byte array: ``blob``, ``off``, ``label``, ``split``, odd for
validation).  Interrupt it at any time: the same command goes on after the last finished epoch.

Recipe: random resized crops and flips (Szegedy et al. 2015), colour and sharpness jitter, MixUp
(arXiv:1710.09412), label smoothing, AdamW with warm-up and cosine decay (arXiv:1711.05101),
exponential moving average of the weights.  With ``--teacher``, its pooled features of K random
crops of every image are computed once, and the student, shown the same crops (flipped and jittered
anew each time), matches them by cosine, and their geometry over a batch by CKA
(arXiv:1905.00414): a consistent teacher (arXiv:2106.05237).  ``--sizes`` lists
image sizes and epochs, small ones first: a step at 64 px costs less than half of one at 96.

Under ``KERAS_BACKEND=jax`` it trains on a GPU.  The result is OUTPUT/BACKBONE.npz: float16 arrays
in the order of ``base.weights``, averaged, for ``weights=PATH``.
"""

import argparse
import hashlib
import io
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageEnhance
from tqdm import tqdm

import tl_keras as tl
from tl_keras.backbones.construction import construct
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.registry import get_backbone
from tl_keras.backbones.weights import load_weights
from tl_keras.training.schedule import stage_rate

FEATURES = 256  # principal components kept of the teacher's features
BATCH_NORM_MOMENTUM = 0.98  # Keras' 0.999 for MobileNets needs 5,000 steps to forget its start


# --- images: uint8 (N, S, S, 3), labels (N,), held out (N,) ---------------------------------------


def read_images(data: Path, size: int, seed: int, cache: Path):
    """Decode everything once into arrays on disk, opened memory-mapped; and the class count."""
    found = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(data.rglob("*"))]
    key = _key(found, size, seed)
    files = [cache / f"{name}_{key}.npy" for name in ("images", "labels", "held_out")]
    if not all(file.exists() for file in files):
        arrays = _shards(data) if list(data.glob("shard*.npz")) else _folder(data, size, seed)
        for file, array in zip(files, arrays, strict=True):
            save_atomically(file, lambda out, array=array: np.save(out, array))
    images, labels, held_out = (np.load(file, mmap_mode="r") for file in files)
    return images, np.asarray(labels), np.asarray(held_out), int(labels.max()) + 1


def _key(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _shards(data: Path):
    images, labels, held_out = [], [], []
    for path in sorted(data.glob("shard*.npz")):
        shard = np.load(path)
        blob, offsets = shard["blob"].tobytes(), shard["off"]
        for start, stop in itertools.pairwise(offsets):
            images.append(np.asarray(Image.open(io.BytesIO(blob[start:stop])).convert("RGB")))
        labels.append(shard["label"])
        held_out.append(shard["split"] % 2 == 1)
    return np.stack(images), np.concatenate(labels).astype("int32"), np.concatenate(held_out)


def _folder(data: Path, size: int, seed: int):
    train, val = tl.data.from_folder(data).split(0.1, seed=seed)
    images = [
        tl.data.load_image(path, size)
        for path in tqdm(train.paths + val.paths, desc="decoding", file=sys.stderr)
    ]
    held_out = np.arange(len(images)) >= len(train)
    return np.stack(images), np.concatenate([train.labels, val.labels]), held_out


# --- views ----------------------------------------------------------------------------------------


def crop_boxes(count: int, views: int, seed: int, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3)):
    """Random-resized-crop boxes (views, count, 4): left, top, right, bottom as fractions."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(*scale, (views, count))
    aspect = np.exp(rng.uniform(*np.log(ratio), (views, count)))
    width, height = np.minimum(np.sqrt(area * aspect), 1), np.minimum(np.sqrt(area / aspect), 1)
    left, top = rng.random((2, views, count)) * (1 - np.stack([width, height]))
    return np.stack([left, top, left + width, top + height], -1).astype("float32")


def crop(image: np.ndarray, box, size: int) -> Image.Image:
    height, width = image.shape[:2]
    corners = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=corners)


def jitter(images: np.ndarray, rng: np.random.Generator, strength: float = 0.3) -> np.ndarray:
    """Brightness, contrast, saturation and noise of float32 (N, H, W, 3) images, 0..255.

    Small images enlarged have no fine detail, photographs do: noise on a third of the images (up to
    a standard deviation of 16) and sharpening before it make the features stand either.
    """
    count = len(images)
    brightness, contrast, saturation = 1 + rng.uniform(
        -strength, strength, (3, count, 1, 1)
    ).astype("float32")
    grey = np.array([0.299, 0.587, 0.114], "float32")
    mix = saturation * np.eye(3, dtype="float32") + (1 - saturation) * grey[:, None]
    mean = images.mean((1, 2, 3), keepdims=True)
    gain = (contrast * brightness)[..., None]
    flat = images.reshape(count, -1, 3) @ mix
    images = flat.reshape(images.shape) * gain + mean * (brightness[..., None] - gain)
    noisy = rng.random(count) < 1 / 3
    sigma = rng.uniform(0, 16, (noisy.sum(), 1, 1, 1)).astype("float32")
    images[noisy] += sigma * rng.standard_normal(images[noisy].shape, "float32")
    return images


# --- teacher --------------------------------------------------------------------------------------


def teacher_features(images, boxes, name: str, size: int, cache: Path, batch: int = 32):
    """Pooled features (views, N, FEATURES), float16, of every crop, on principal components."""
    key = _key(_sha256(images), _sha256(boxes))
    target = cache / f"teacher_{name}_{size}_{key}.npy"
    if target.exists():
        return np.load(target, mmap_mode="r")
    teacher = _extractor(name, size)
    views, count = boxes.shape[:2]
    projection, features = None, np.empty((views, count, FEATURES), "float16")
    bar = tqdm(total=views * count, desc=f"features of {name}", unit="crop", file=sys.stderr)
    for view in range(views):
        raw = []
        for start in range(0, count, batch):
            rows = range(start, min(start + batch, count))
            raw.append(teacher(np.stack([crop(images[i], boxes[view, i], size) for i in rows])))
            bar.update(len(rows))
        raw = np.concatenate(raw)
        if projection is None:
            mean = raw.mean(0)
            values, vectors = np.linalg.eigh(np.cov(raw, rowvar=False))
            keep = np.argsort(values)[::-1][:FEATURES]
            # Half-whitened: small components count, and noise does not dominate.
            projection = vectors[:, keep] / np.maximum(values[keep], 1e-8) ** 0.25
        features[view] = (raw - mean) @ projection
    save_atomically(target, lambda out: np.save(out, features))
    return features


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def _extractor(name: str, size: int):
    # The weights of the default size, at this one: convolutions take any.
    base = construct(get_backbone(name), size)
    base.set_weights(tl.build_backbone(name, weights="imagenet").get_weights())
    image = keras.Input((size, size, 3))
    features = base(apply_preprocessing(get_backbone(name), image), training=False)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(features))
    try:
        import openvino
    except ImportError:
        return lambda batch: model.predict_on_batch(batch)
    # Several times faster than Keras on a CPU; bfloat16 turns the features by a cosine of 1e-5.
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "teacher.xml")
        model.export(file, format="openvino", verbose=False)
        core = openvino.Core()
        graph = core.read_model(file)
    compiled = core.compile_model(
        graph,
        "CPU",
        {"INFERENCE_PRECISION_HINT": "bf16"},
    )
    return lambda batch: next(iter(compiled(batch.astype("float32")).values()))


# --- student --------------------------------------------------------------------------------------


class Views(keras.utils.PyDataset):
    """Batches of crops with MixUp; order, crops and colours are functions of (seed, epoch)."""

    def __init__(self, options, plan, rows, images, labels, classes, boxes, features, epoch):
        super().__init__(workers=2, max_queue_size=4)
        self.options, self.plan, self.rows = options, plan, rows
        self.images, self.labels, self.classes = images, labels, classes
        self.boxes, self.features = boxes, features
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.size = epoch, self.plan[epoch]
        self.order = np.random.default_rng((self.options.seed, epoch)).permutation(self.rows)

    def __len__(self) -> int:
        return len(self.rows) // self.options.batch_size

    def __getitem__(self, index: int):
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        count = self.options.batch_size
        rows = self.order[index * count : (index + 1) * count]
        views = (rows + self.epoch) % len(self.boxes)
        x = np.empty((count, self.size, self.size, 3), "float32")
        for n, (row, view) in enumerate(zip(rows, views, strict=True)):
            image = crop(self.images[row], self.boxes[view, row], self.size)
            if rng.random() < 1 / 3:
                image = ImageEnhance.Sharpness(image).enhance(rng.uniform(0, 4))
            image = np.asarray(image)
            x[n] = image[:, ::-1] if rng.random() < 0.5 else image
        x = jitter(x, rng)
        targets = [np.eye(self.classes, dtype="float32")[self.labels[rows]]]
        if self.features is not None:
            targets += [self.features[views, rows].astype("float32")] * 2
        share = rng.beta(self.options.mixup, self.options.mixup) if self.options.mixup else 1.0
        share = max(share, 1 - share)
        x, *targets = (share * a + (1 - share) * a[::-1] for a in (np.clip(x, 0, 255), *targets))
        return x, tuple(targets)


@keras.saving.register_keras_serializable("tl_keras")
class Geometry(keras.losses.Loss):
    """One less the linear CKA of two sets of features of one batch (arXiv:1905.00414).

    What a linear probe with a penalty sees is which images lie near which; a head that reads the
    teacher's features off the student's leaves that geometry free, this loss does not.
    """

    def call(self, y_true, y_pred):
        true, pred = (f - keras.ops.mean(f, 0, keepdims=True) for f in (y_true, y_pred))
        true = keras.ops.matmul(true, keras.ops.transpose(true))
        pred = keras.ops.matmul(pred, keras.ops.transpose(pred))
        norm = keras.ops.sqrt(keras.ops.sum(true**2) * keras.ops.sum(pred**2) + 1e-12)
        return 1 - keras.ops.sum(true * pred) / norm


class Student:
    """The model that trains: base, a label head and, with a teacher, a feature head."""

    def __init__(self, options, classes: int, steps: int, taught: bool):
        record = get_backbone(options.backbone)
        self.base = construct(record, None)
        if options.init:
            load_weights(self.base, record, options.init)
        for layer in self.base.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = BATCH_NORM_MOMENTUM
        image = keras.Input((None, None, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(
            self.base(apply_preprocessing(record, image))
        )
        outputs = [keras.layers.Dense(classes, name="label")(pooled)]
        losses = [keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)]
        if taught:
            outputs.append(keras.layers.Dense(FEATURES, name="feature")(pooled))
            outputs.append(keras.layers.Activation("linear", name="geometry")(pooled))
            losses += [keras.losses.CosineSimilarity(), Geometry()]
        self.model = keras.Model(image, outputs)
        self.optimizer = keras.optimizers.AdamW(
            options.learning_rate,
            weight_decay=options.weight_decay,
            global_clipnorm=5.0,
            use_ema=True,
            ema_momentum=1 - min(20 / steps, 0.1),  # an average over the last twentieth
        )
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(self.model.trainable_variables)
        self.model.compile(
            self.optimizer,
            loss=losses,
            loss_weights=[1.0, options.feature_weight, options.geometry_weight][: len(losses)],
            metrics=[["accuracy"], [], []][: len(losses)],
        )

    @property
    def state(self):
        return [*self.model.weights, *self.optimizer.variables]

    def save(self, path: Path, epoch: int) -> None:
        arrays = {f"v{n}": _values(v) for n, v in enumerate(self.state)}
        save_atomically(path, lambda out: np.savez(out, epoch=epoch, **arrays))

    def restore(self, path: Path) -> int:
        if not path.exists():
            return 0
        with np.load(path) as stored:
            for n, variable in enumerate(self.state):
                variable.assign(stored[f"v{n}"])
            return int(stored["epoch"])

    def averaged(self, images, labels, weights_file: Path) -> float:
        """Accuracy with the averaged weights, which are written to ``weights_file``."""
        variables = self.model.trainable_variables
        raw = [_values(v) for v in variables]
        for v, average in zip(
            variables, self.optimizer._model_variables_moving_average, strict=True
        ):
            # Through numpy: JAX would share the array, and a training step gives its memory away.
            v.assign(_values(average))
        outputs = self.model.predict(images, batch_size=256, verbose=0)
        logits = outputs[0] if isinstance(outputs, list) else outputs
        arrays = [_values(w).astype("float16") for w in self.base.weights]
        save_atomically(weights_file, lambda out: np.savez(out, *arrays))
        for v, value in zip(variables, raw, strict=True):
            v.assign(value)
        return float((logits.argmax(1) == labels).mean())


def _values(variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


class EachEpoch(keras.callbacks.Callback):
    """Rate by step; after each epoch validate, keep a checkpoint, and write a line down."""

    def __init__(self, student, options, plan, views, validation, output):
        super().__init__()
        self.student, self.options, self.plan, self.views = student, options, plan, views
        self.images, self.labels, self.rows = validation
        self.output, self.epoch = output, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.began = epoch, time.perf_counter()
        self.views.set_epoch(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        progress = (self.epoch + batch / len(self.views)) / len(self.plan)
        self.model.optimizer.learning_rate = stage_rate(self.options.learning_rate, progress, 0.05)

    def on_epoch_end(self, epoch, logs=None):
        seconds, size = time.perf_counter() - self.began, self.plan[epoch]
        images = np.stack([crop(self.images[i], (0, 0, 1, 1), size) for i in self.rows])
        accuracy = self.student.averaged(
            images, self.labels[self.rows], self.output / f"{self.options.backbone}.npz"
        )
        self.student.save(self.output / "checkpoint.npz", epoch + 1)
        row = {"epoch": epoch + 1, "size": size, "seconds": round(seconds, 1)}
        row |= {name: round(float(value), 4) for name, value in logs.items()}
        row["val_accuracy"] = round(accuracy, 4)
        with (self.output / "history.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def save_atomically(path: Path, write) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path)
    add("--output", type=Path, required=True)
    add("--cache", type=Path, help="decoded images and teacher's features (default: OUTPUT/cache)")
    add("--backbone", default="mobilenet_v3_small")
    add("--teacher", help="a backbone with ImageNet weights at hand (default: labels alone)")
    add("--teacher-size", type=int, default=160)
    add("--views", type=int, default=4, help="crops of each image (default: 4)")
    add("--sizes", default="64:12,96:14", help="SIZE:EPOCHS,... (default: 64:12,96:14)")
    add("--store-size", type=int, default=96, help="side at which a folder's images are kept")
    add("--batch-size", type=int, default=128)
    add("--learning-rate", type=float, default=3e-3)
    add("--weight-decay", type=float, default=0.02)
    add("--mixup", type=float, default=0.1, help="alpha of its beta distribution; 0: none")
    add("--feature-weight", type=float, default=4.0)
    add("--geometry-weight", type=float, default=2.0)
    add("--init", type=Path, help="a BASE.npz of an earlier run to start the base from")
    add("--subset", type=float, default=1.0, help="part of the training images, for comparisons")
    add("--seed", type=int, default=0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    cache = options.cache or options.output / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    images, labels, held_out, classes = read_images(
        options.data, options.store_size, options.seed, cache
    )
    boxes = crop_boxes(len(images), options.views, options.seed)
    features = None
    if options.teacher:
        features = teacher_features(images, boxes, options.teacher, options.teacher_size, cache)
    keras.utils.set_random_seed(options.seed)
    rows = np.random.default_rng(options.seed).permutation(np.flatnonzero(~held_out))
    rows = rows[: int(len(rows) * options.subset)]
    plan = []
    for part in options.sizes.split(","):
        size, epochs = part.split(":")
        plan += [int(size)] * int(epochs)
    steps = len(rows) // options.batch_size
    student = Student(options, classes, len(plan) * steps, features is not None)
    validation = (images, labels, np.flatnonzero(held_out)[::4])
    while (start := student.restore(options.output / "checkpoint.npz")) < len(plan):
        # One fit() for each size: Keras fixes the shape of batches.  At its end fit() leaves the
        # averaged weights in the model; the checkpoint holds those that train.
        stop = next((n for n in range(start, len(plan)) if plan[n] != plan[start]), len(plan))
        views = Views(options, plan, rows, images, labels, classes, boxes, features, start)
        each_epoch = EachEpoch(student, options, plan, views, validation, options.output)
        student.model.fit(
            views,
            epochs=stop,
            initial_epoch=start,
            shuffle=False,
            verbose=0,
            callbacks=[each_epoch],
        )


if __name__ == "__main__":
    main()
