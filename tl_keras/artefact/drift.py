"""Do new images look like those that a model was made for?"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tl_keras.artefact.class_features import ClassFeatures, read_features
from tl_keras.artefact.predictor import Predictor, load
from tl_keras.data.decoding import load_image
from tl_keras.errors import InputError
from tl_keras.evaluation.drift.comparing import LEAST, compare
from tl_keras.evaluation.intervals import proportion
from tl_keras.evaluation.out_of_domain import judged


class Seen(NamedTuple):
    """Images as a model sees them.

    Attributes:
        paths: Of those that could be read.
        features: float32 (N, D).
        said: Probabilities (N, C); None where the model gives none.
        skipped: Paths that could not be read, with the reason.
    """

    paths: list[str]
    features: np.ndarray
    said: np.ndarray | None
    skipped: list[tuple[str, str]]


class Drift(NamedTuple):
    """What :func:`drift` found.

    Attributes:
        found: Of ``tl_keras.evaluation.drift.comparing.compare``, and ``unlike``: the share of new
            images that ``predict`` flags as unlike those of training, or None.
        new: The new images.
        reference: The reference's images where they were given, else None.
    """

    found: dict[str, Any]
    new: Seen
    reference: Seen | None

    def farthest(self, count: int) -> list[int]:
        """Positions of the new images that lie farthest from the reference, farthest first."""
        return np.argsort(-self.found["distances"], kind="stable")[:count].tolist()

    def most_typical(self, count: int) -> list[int]:
        """Positions of the new images that were told from the reference most easily."""
        scores = self.found["scores"]
        order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
        return [int(i) for i in order[:count] if np.isfinite(scores[i])]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, the farthest images first."""
        figures = {k: v for k, v in self.found.items() if k not in ("distances", "scores")}
        distances = self.found["distances"]
        order = self.farthest(len(distances))
        skipped = [*(self.reference.skipped if self.reference else ()), *self.new.skipped]
        return {
            **figures,
            "new": [{"path": self.new.paths[i], "distance": round(float(distances[i]), 4)}
                    for i in order],
            "skipped": [list(item) for item in skipped],
        }  # fmt: skip


def drift(
    model: str | Path | Predictor, new: Sequence[str | Path],
    reference: Sequence[str | Path] | None = None, *, verbose: bool = False,
) -> Drift:  # fmt: skip
    """Compare new images with the held-out ones that a model remembers, or with given ones.

    Args:
        model: An artefact of ``tl-keras train``, of a task with one answer an image.
        new: Image files, ten or more; those that cannot be read are left out, with the reason.
        reference: Image files in place of what the artefact remembers.
        verbose: Whether progress goes to standard error.

    Raises:
        InputError: Too few images; the model remembers none and ``reference`` is not given; it was
            made for a task that has no vector an image.

    Example:
        >>> drift("saved_models/photos", new_files).found["drift"]  # doctest: +SKIP
        False
    """
    predictor = model if isinstance(model, Predictor) else load(model)
    extract, head = _parts(predictor)
    known = None
    if reference is None:
        rows = _remembered(predictor, extract.output_shape[-1])
        old, old_said = rows, _said(predictor, head, rows)
    else:
        known = seen(predictor, extract, head, reference, "reference images", verbose)
        old, old_said = known.features, known.said
    shown = seen(predictor, extract, head, new, "new images", verbose)
    found = compare(old, shown.features, old_said, shown.said, predictor.names)
    found["unlike"] = _unlike(predictor, shown.features)
    return Drift(found, shown, known)


def seen(
    predictor: Predictor, extract: Any, head: Any, paths: Sequence[str | Path], what: str,
    verbose: bool,
) -> Seen:  # fmt: skip
    """Features and predictions of the images that can be read.

    Raises:
        InputError: Some cannot be read, and too few are left.
    """
    read, rows, skipped = [], [], []
    step = predictor.task.batch_size
    bar = tqdm(total=len(paths), desc=f"  {what}", unit="image", disable=not verbose,
               file=sys.stderr, leave=False)  # fmt: skip
    with bar:
        for start in range(0, len(paths), step):
            images = []
            for path in paths[start : start + step]:
                try:
                    images.append(load_image(path, predictor.image_size, predictor.resize))
                    read.append(str(path))
                except InputError as problem:
                    skipped.append((str(path), str(problem)))
            if images:
                rows.append(np.asarray(extract.predict_on_batch(np.stack(images)), "float32"))
            bar.update(len(paths[start : start + step]))
    if len(read) < LEAST and skipped:
        raise InputError(
            f"{len(read)} of {len(paths)} {what} can be read, and {LEAST} or more are needed, "
            f"better 100; the first that cannot: {skipped[0][1]}"
        )
    features = np.concatenate(rows) if rows else np.zeros((0, extract.output_shape[-1]), "float32")
    return Seen(read, features, _said(predictor, head, features), skipped)


def _parts(predictor: Predictor) -> tuple[Any, Any]:
    from tl_keras.builders.classifier import features_model, head_model

    if not predictor.task.pooled:
        raise InputError(
            f"drift compares vectors of whole images, which --task {predictor.task.name} has not; "
            "give a model of --task classify, tag or embed"
        )
    return features_model(predictor.model), head_model(predictor.model)


def _said(predictor: Predictor, head: Any, rows: np.ndarray) -> np.ndarray | None:
    if predictor.task.open_set or not len(rows):
        return None
    outputs = head.predict(rows, batch_size=256, verbose=0)
    said = predictor.task.predictions(head, outputs)
    return np.asarray(predictor.task.scaled(said, predictor.settings))


def _unlike(predictor: Predictor, rows: np.ndarray) -> dict[str, float | None] | None:
    """The share that ``predict`` flags; None where the model cannot tell."""
    from tl_keras.builders.head_logits import head_logits

    if predictor.home is None:
        return None
    known = judged(predictor.home.domain, rows, head_logits(predictor.model)(rows))
    return proportion(sum(one.unlike for one in known), len(known))


def _remembered(predictor: Predictor, width: int) -> np.ndarray:
    kept = read_features(predictor.folder, width, len(predictor.names))
    if kept is None:
        raise InputError(
            f"{predictor.folder} remembers no images to compare with; give some of those that it "
            "was trained for with --reference DIR"
        )
    rows = kept.rows[as_frequent(kept, predictor.description.get("metrics", {}))]
    if len(rows) < LEAST:
        raise InputError(
            f"{predictor.folder} remembers {len(rows)} images, too few to compare with; give "
            f"{LEAST} or more of those that it was trained for with --reference DIR"
        )
    return rows


def as_frequent(kept: ClassFeatures, metrics: Mapping[str, Any]) -> np.ndarray:
    """Positions of features, their classes as frequent as among the validation images.

    An artefact keeps at most so many of a class; large classes would else look rarer than they are.

    Args:
        kept: Of the artefact.
        metrics: With the ``confusion_matrix`` of the validation images; without, all are taken.
    """
    if "confusion_matrix" not in metrics:
        return np.arange(len(kept.labels))
    wanted = np.asarray(metrics["confusion_matrix"]).sum(axis=1).astype(np.float64)
    there = np.bincount(kept.labels, minlength=len(wanted))
    held = wanted > 0
    scale = (there[held] / wanted[held]).min()
    take = np.where(held, np.maximum(np.round(scale * wanted), 1), there).astype(int)
    rng = np.random.default_rng(0)
    chosen = [
        rng.permutation(np.flatnonzero(kept.labels == label))[:count]
        for label, count in enumerate(take)
    ]
    return np.sort(np.concatenate(chosen))
