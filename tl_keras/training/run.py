"""What ``fit`` returns: the trained model with everything an artefact needs to say about it."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.builders.classifier import head_model
from tl_keras.builders.head_logits import has_plain_head, head_logits
from tl_keras.errors import InputError
from tl_keras.evaluation.measured_images import Illustrations, MeasuredImages
from tl_keras.evaluation.out_of_domain import Domain, domain_of
from tl_keras.tasks.task import Task
from tl_keras.training.even_choice import even_positions
from tl_keras.training.feature_batches import EVALUATED_ROWS, FeatureSet
from tl_keras.training.features import extract_features
from tl_keras.training.inputs import batches_of
from tl_keras.training.judging import judge
from tl_keras.training.recipes import Recipe
from tl_keras.training.tracking.tracker import Guarded, Tracker
from tl_keras.training.worst_pictures import Worst, draw_worst, worst_of


def _rows(arrays: Any, kept: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(column)[kept] for column in arrays)


@dataclass
class Run:
    """A finished (or interrupted) training run.

    Attributes:
        model: With the weights of the best epoch.
        task: What it learned.
        recipe: What was run.
        counts: Of each name in the training data (images, boxes, things), int64.
        history: One row an epoch: epoch, stage, loss, accuracy (or what else the task watches),
            val_loss, val_accuracy, learning_rate, seconds.
        best: The row of the best epoch.
        metrics: Figures on the validation data, each with a 95 % interval; empty without any.
        image_size: Side of the model's square input, px.
        resize: How images are brought to that size.
        train: The training data as the task sees them.
        val: The validation data likewise, or None.
        seconds: Wall time of ``fit``.
        interrupted: Whether Ctrl-C ended it early.
        settings: What answers need beside the model, found on the validation data: thresholds.
        held_out: Features and labels of the validation images, where each has one class and one
            vector; what a class can be added with later.
        domain: What the training images look like to the model, and how far held-out ones lie from
            them, where each has one vector: by which ``predict`` knows images like none of them.
        worst: The validation images that the model did worst on; tasks whose answers cannot be
            drawn have none.
        judged: Truths and predictions of the validation images, of tasks whose answers need little
            room; what the report's pictures are chosen by.
        tracker: Was told of the run, and is told where it is saved.
    """

    model: keras.Model
    task: Task
    recipe: Recipe
    counts: np.ndarray
    history: list[dict[str, Any]]
    best: dict[str, Any] | None
    image_size: int
    resize: str
    seed: int
    batch_size: int
    train: Any
    val: Any = None
    interrupted: bool = False
    seconds: float = 0.0
    metrics: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    held_out: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    domain: Domain | None = field(default=None, repr=False)
    worst: list[Worst] = field(default_factory=list, repr=False)
    judged: tuple[Sequence[Any], Sequence[Any]] | None = field(default=None, repr=False)
    tracker: Tracker = field(default_factory=lambda: Guarded(None), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes or tags, in the order of the model's outputs."""
        if hasattr(self.train, "dataset"):
            return self.task.names(self.train)
        return tuple(str(i) for i in range(len(self.counts)))

    @functools.cached_property
    def final(self) -> keras.Model:
        """The model with the decoding inside: what is saved, over the same layers."""
        return self.task.final(self.model, **self.task.bounds(self.train))

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Metrics on other data (``Examples`` or arrays), each figure with a 95 % interval.

        Example:
            >>> run.evaluate(test)["accuracy"]  # doctest: +SKIP
            {'value': 0.93, 'low': 0.88, 'high': 0.96}
        """
        data = self.task.prepared(data, self.names)
        truths, predictions = judge(self.task, self.final, self._batches(data), "evaluating")
        names = self.task.names_in(data, self.names)
        return self.task.measure(truths, predictions, names, self.settings)

    def _batches(self, data: Any) -> Any:
        return batches_of(
            data, batch_size=self.batch_size, image_size=self.image_size, resize=self.resize,
            target=self.task.target,
        )  # fmt: skip

    def validate(
        self,
        val: Any,
        features: FeatureSet | None = None,
        trained: Callable[[], FeatureSet] | None = None,
    ) -> None:
        """Fill :attr:`metrics`, :attr:`settings`, and what the report shows of the validation data.

        Args:
            val: ``Examples`` or arrays.
            features: Theirs, where the backbone is what it was when they were computed: then only
                the head is computed.
            trained: Returns likewise those of the training images, without augmentation.
        """
        vectors = self.task.classifies
        if features is None and vectors:
            found = extract_features(self.final, self._batches(val), "validation images", False)
            features = FeatureSet((found[0],), found[1], "keras", 1)
        if vectors:
            self.held_out = features.views[0], features.labels
        if features is None:
            model, batches = self.final, self._batches(val)
        else:
            model, batches = head_model(self.model), features.batches(EVALUATED_ROWS)
        truths, predictions = judge(self.task, model, batches, "evaluating")
        names = self.task.names_in(val, self.names)
        self.metrics = self.task.measure(truths, predictions, names, None)
        self.settings = self.task.tune(truths, predictions, self.metrics)
        self.worst = worst_of(self.task, truths, predictions, self.names, self.settings)
        if self.task.pooled:
            self.judged = truths, predictions
        if vectors and has_plain_head(self.final):
            self._learn_domain(trained)

    @functools.cached_property
    def illustrations(self) -> Illustrations:
        """Sections of the report that show validation images; made when they are asked for."""
        if self.judged is None:
            return Illustrations({})
        names = self.task.names_in(self.val, self.names)
        return self.task.illustrated(*self.judged, names, self.settings, self._images)

    def _learn_domain(self, trained: Callable[[], FeatureSet] | None) -> None:
        """Fill :attr:`domain` from some training images of every class."""
        table = hasattr(self.train, "subset")
        kept = even_positions(np.asarray(self.train.labels if table else self.train[1]))
        try:
            if trained is not None:
                rows = trained().views[0][kept]
            else:
                some = self.train.subset(kept) if table else _rows(self.train, kept)
                batches = self._batches(some)
                rows, _ = extract_features(self.final, batches, "training images", False)
        except InputError as problem:  # a file that has gone since must not cost the figures
            print(f"tl-keras: strange images will not be known: {problem}", file=sys.stderr)
            return
        held_out, _ = self.held_out
        self.domain = domain_of(rows, held_out, head_logits(self.final)(held_out))

    @functools.cached_property
    def shown(self) -> list[tuple[np.ndarray, str]]:
        """Pictures of the worst validation images, uint8 (H, W, 3), with captions."""
        images = self._images
        # Some may have gone since: the trained model must not be lost over its pictures.
        worst = [one for one in self.worst if images.there(one.judged.index)]
        pictures = draw_worst(self.task, self.final, worst, images.read, self.names, self.settings)
        captions = [f"{images.name(one.judged.index)}: {one.judged.caption}" for one in worst]
        return list(zip(pictures, captions, strict=True))

    @property
    def _images(self) -> MeasuredImages:
        return MeasuredImages(self.val, self.image_size, self.resize)

    def save(self, path: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
        """Write the artefact: model, description, history and report, all or nothing.

        Args:
            path: A folder that does not exist yet, or is empty.
            notes: More entries of ``model.json`` (JSON values).

        Returns:
            The folder.

        Raises:
            InputError: Another run stands there, or it cannot be written.

        Example:
            >>> run.save("saved_models/photos")  # doctest: +SKIP
        """
        from tl_keras.artefact.writing import write_artefact

        folder = write_artefact(self, Path(path), notes=notes or {})
        self.tracker.saved(folder)
        return folder
