"""Any number of tags per image, some of which nobody may know."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.kinds import KINDS
from tl_keras.tasks.task import Task, column_of, in_order_of, ranked


class Tags(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        tags: The tags whose probability reaches their threshold, the most probable first.
        probabilities: Of every tag by name.
    """

    source: str
    tags: tuple[str, ...]
    probabilities: dict[str, float]


class Tagging(Task):
    """An image has any number of tags: multi-label classification."""

    name = "tag"
    line = KINDS["tag"]
    target = "tags"
    mixed_target = "tags"
    watch = "average_precision"
    model_name = "tagger"
    names_key = "tag_names"
    pooled = True
    losses = ("crossentropy", "focal")
    explains = True

    def names(self, data: Any) -> tuple[str, ...]:
        """The tags; of arrays, their numbers."""
        if hasattr(data, "tag_names"):
            _has_tags(data, "training")
            return data.tag_names
        return tuple(str(i) for i in range(column_of(data, "training").shape[-1]))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_tagger``."""
        from tl_keras.builders.classifier import build_tagger

        return build_tagger(backbone, len(names), image_size=image_size, weights=weights)

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples with tags in the order of ``names``; those the data do not name are unknown."""
        if not hasattr(data, "tag_names"):
            return data
        _has_tags(data, "given")
        if names is None or tuple(names) == data.tag_names:
            return data
        found = np.full((len(data), len(names)), -1, "int8")
        found[:, in_order_of(names, data.tag_names, data.root, "tags")] = data.tags
        return replace(data, tags=found, tag_names=tuple(names))

    def outputs(self, model: keras.Model) -> int:
        """Tags."""
        return model.output_shape[-1]

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Images that have each tag; targets are (N, T) of -1, 0 and 1, some of them 1."""
        tags = self.outputs(model)
        if hasattr(data, "tag_names"):
            _has_tags(data, part)
            if len(data.tag_names) != tags:
                raise InputError(
                    f"the {part} data has {len(data.tag_names)} tags, the model {tags}; build it "
                    f"with num_tags={len(data.tag_names)}"
                )
            found = np.asarray(data.tags)
        else:
            found = column_of(data, part)
        if found.ndim != 2 or found.shape[1] != tags or not np.isin(found, (-1, 0, 1)).all():
            raise InputError(
                f"{part} tags are {found.dtype} of shape {found.shape}; give (N, {tags}) of 1 "
                "(present), 0 (absent) and -1 (not known)"
            )
        if not len(found):
            raise InputError(f"there are no {part} images; give some that have tags")
        if not (found == 1).any():
            raise InputError(f"no {part} image has any of the {tags} tags; check the table's tags")
        return (found == 1).sum(axis=0)

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """Binary cross-entropy over the known tags; rare tags' weights as the recipe asks."""
        from tl_keras.losses import class_weights
        from tl_keras.tasks.tag_objective import TagCrossentropy

        weights = None
        if recipe.class_weights is not None:
            weights = class_weights(recipe.class_weights, counts, names)
        return TagCrossentropy(
            gamma=2.0 if recipe.loss == "focal" else 0.0,
            label_smoothing=recipe.label_smoothing,
            tag_weights=weights,
            from_logits=_gives_logits(model),
        )

    def metrics(self, model: keras.Model) -> list[Any]:
        """Mean average precision."""
        from tl_keras.tasks.tag_objective import MeanAveragePrecision

        logits = _gives_logits(model)
        return [MeanAveragePrecision(model.output_shape[-1], from_logits=logits, name=self.watch)]

    def final(self, model: keras.Model) -> keras.Model:
        """Without augmentation layers."""
        from tl_keras.builders.classifier import without_augmentation

        return without_augmentation(model)

    def predictions(self, model: keras.Model, outputs: Any) -> np.ndarray:
        """float64 (B, T), 0..1: outputs of a sigmoid head, or sigmoid of logits."""
        outputs = np.asarray(outputs, "float64")
        return 1 / (1 + np.exp(-outputs)) if _gives_logits(model) else outputs

    def tune(
        self, truths: Sequence[Any], predictions: Sequence[Any], metrics: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A threshold per tag, with the highest F1 on these images."""
        from tl_keras.evaluation.thresholds import best_thresholds

        return {"thresholds": best_thresholds(truths, predictions).tolist()}

    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As ``tl_keras.evaluation.evaluate_tagging``."""
        from tl_keras.evaluation.tag_metrics import evaluate_tagging
        from tl_keras.evaluation.thresholds import cross_fitted

        if settings is None:
            limits = cross_fitted(truths, predictions)
        else:
            limits = settings.get("thresholds", 0.5)
        found = evaluate_tagging(truths, predictions, names, limits)
        if settings is None:
            found["notes"].append(
                "Thresholds are tuned on these images: each half was measured with those of the "
                "other, and the model keeps those of all."
            )
        return found

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """Mean average precision, micro F1 and macro F1."""
        return {
            "mean average precision": metrics["mean_average_precision"],
            "micro F1": metrics["micro_f1"],
            "macro F1": metrics["macro_f1"],
        }

    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, float]:
        """The mean average precision of guessing."""
        return "guessing", metrics["prevalence"]

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Average precision, precision, recall and F1 of each tag."""
        width = max(len("tag"), *(len(row["name"]) for row in metrics["per_tag"]))
        lines = [f"{'tag':<{width}}  images     AP  threshold  precision  recall     F1"]
        for row in metrics["per_tag"]:
            ap, precision, recall, f1 = (
                "-" if row[key]["value"] is None else f"{row[key]['value']:.3f}"
                for key in ("average_precision", "precision", "recall", "f1")
            )
            lines.append(
                f"{row['name']:<{width}}  {row['positives']:>6}  {ap:>5}  {row['threshold']:>9.3f}"
                f"  {precision:>9}  {recall:>6}  {f1:>5}"
            )
        return lines

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Tags]:  # fmt: skip
        """The tags of each that reach their threshold."""
        limits = np.broadcast_to(settings.get("thresholds", 0.5), len(names))
        found = []
        for source, row in zip(sources, predictions, strict=True):
            had = [int(t) for t in np.argsort(-row, kind="stable") if row[t] >= limits[t]]
            by_name = dict(zip(names, map(float, row), strict=True))
            found.append(Tags(source, tuple(names[t] for t in had), by_name))
        return found

    def said(self, answer: Tags, top: int | None) -> str:
        """The tags above their thresholds with their probabilities."""
        shown = {tag: answer.probabilities[tag] for tag in answer.tags}
        return ranked(answer.probabilities if top else shown, top) or "(no tag)"

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Figures of each tag."""
        from tl_keras.evaluation.report_blocks import figures_table

        columns = {
            "Images": "positives", "Average precision": "average_precision",
            "Threshold": "threshold", "Precision": "precision", "Recall": "recall", "F1": "f1",
        }  # fmt: skip
        return {"Tag by tag": figures_table(metrics["per_tag"], columns, "Tag", metrics["notes"])}


def _has_tags(data: Any, part: str) -> None:
    if data.tags is None:
        raise InputError(
            f"the {part} data ({data.root or 'examples'}) brings no tags; read them from a table, "
            "tl_keras.data.from_csv(path, tags=[...]), or --tags COLUMN ..."
        )


def _gives_logits(model: keras.Model) -> bool:
    return getattr(model.get_layer("predictions").activation, "__name__", "") == "linear"
