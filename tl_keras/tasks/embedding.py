"""A vector an image: near for the same class, far for different ones."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.kinds import KINDS, OPEN_SET
from tl_keras.tasks.task import Task, column_of

if TYPE_CHECKING:
    from tl_keras.evaluation.measured_images import Illustrations, MeasuredImages

#: Pairs of two classes that may be taken for one by the threshold that is set.
FALSE_ACCEPT_RATE = 0.01

# Results a query; beyond them nobody looks.
_DEPTH = 100
_KS = (1, 5, 10)
# Images of a class in a batch (Hermans et al. 2017, arXiv:1703.07737).
_OF_A_CLASS = 4
# Probability of the true class that an image at its class's vector shall be able to reach.
_REACHED = 0.99


class Embedded(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        vector: Numbers, of length 1 together; the cosine of two images is their dot product.
    """

    source: str
    vector: list[float]


class Embedding(Task):
    """Images of a class get vectors that are near each other, also of classes never seen.

    A truth is a class number, a prediction a vector float32 (D,) of length 1.  The classes are of
    use for training and measuring only: validation and test data may have others.
    """

    name = "embed"
    line = KINDS["embed"]
    target = "labels"
    mixed_target = None
    watch = "mean_average_precision"
    model_name = "embedder"
    pooled = True
    open_set = name in OPEN_SET
    used = "index CATALOGUE --model {model} --out INDEX"
    losses = ("arcface", "cosface", "proxy_anchor", "triplet", "supervised_contrastive")

    def names(self, data: Any) -> tuple[str, ...]:
        """The classes; of arrays, their numbers."""
        if hasattr(data, "class_names"):
            return data.class_names
        return tuple(str(i) for i in range(int(np.max(column_of(data, "training"))) + 1))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_embedder``."""
        from tl_keras.builders.embedder import build_embedder

        return build_embedder(backbone, image_size=image_size, weights=weights)

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples that all have a label; their classes need not be those of training."""
        if hasattr(data, "class_names"):
            bare = int((np.asarray(data.labels) < 0).sum())
            if bare:
                raise InputError(
                    f"{bare} of {len(data)} images of {data.root or 'the data'} have no class; "
                    "name their classes (products, people), or leave these images out"
                )
        return data

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Images of each class; some class has two or more, and there is another."""
        names, labels = self.names(data), column_of_labels(data, part)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise InputError(
                f"{part} labels are {labels.dtype} of shape {labels.shape}; give whole numbers of "
                "0 or more, of shape (N,): who or what is in each image"
            )
        counts = np.bincount(labels, minlength=len(names))
        if (counts > 0).sum() < 2 or counts.max() < 2:
            raise InputError(
                f"the {part} data has {len(labels)} images of {(counts > 0).sum()} classes; "
                "likeness is learned and measured from two images of a class, and another class "
                "beside"
            )
        return counts

    def outputs(self, model: keras.Model) -> int | None:
        """Any number: the vector's length says nothing of the classes."""
        return None

    def learner(self, model: keras.Model, recipe: Any, counts: np.ndarray) -> keras.Model:
        """Cosines to a vector of each class, where the loss is of those; else the embedder."""
        from tl_keras.builders.class_cosines import margin_head

        if self._loss(recipe, counts).of_cosines:
            return margin_head(model, len(counts))
        if "projection" not in {layer.name for layer in model.layers} and recipe.stages[0].frozen:
            raise InputError(
                f"stage {recipe.stages[0].name!r} trains what lies behind the base, and with loss "
                f"{self.loss_name(recipe)} an embedder without a projection has nothing there; "
                "build it with a dimension, or take a recipe that begins with the base"
            )
        return model

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """The recipe's, with the settings of its paper but for the scale of ArcFace and CosFace.

        The papers' 64 is for tens of thousands of people.  Here it is the least with which the
        true class can reach a probability of 0.99 (Wang et al. 2018, arXiv:1801.09414, equation
        6): 8.6 for 64 classes.  On 64 kinds of products 8 gave a mean average precision of 0.692,
        16 gave 0.659 and 30 gave 0.625.
        """
        if recipe.class_weights is not None or recipe.label_smoothing:
            raise InputError(
                "--task embed knows neither class weights nor label smoothing; its batches hold "
                "classes equally often. Leave them out of the recipe"
            )
        return self._loss(recipe, counts)

    def _loss(self, recipe: Any, counts: np.ndarray) -> Any:
        from tl_keras.tasks.embedding_objective import EMBEDDING_LOSSES

        name, others = self.loss_name(recipe), len(counts) - 1
        if name not in ("arcface", "cosface"):
            return EMBEDDING_LOSSES[name]()
        odds = _REACHED / (1 - _REACHED)
        return EMBEDDING_LOSSES[name](scale=others / len(counts) * math.log(others * odds))

    def batched(self, batches: Any, labels: np.ndarray) -> Any:
        """So many classes a batch, and so many images of each."""
        from tl_keras.data.identity_batches import batch_by_identity

        size, classes = batches.epoch_order.batch_size, len(np.unique(labels))
        fitting = [k for k in range(2, size // 2 + 1) if size % k == 0 and size // k <= classes]
        if not fitting:
            raise InputError(
                f"batches of {size} cannot hold two images each of two of {classes} classes; give "
                "a batch size of 4 or more that 2 divides"
            )
        own = min(fitting, key=lambda k: abs(k - _OF_A_CLASS))
        return batch_by_identity(batches, labels, own)

    def metrics(self, model: keras.Model) -> list[Any]:
        """None: likeness shows over all images at once, see :meth:`figure`."""
        return []

    def figure(self, truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        """Mean average precision over the first 100 results of each image."""
        found = self._retrieval(truths, predictions, None)
        return found["mean_average_precision"]["value"]

    def final(self, model: keras.Model) -> keras.Model:
        """The embedder, without the classes' vectors."""
        from tl_keras.builders.embedder import embedder_of

        return embedder_of(model)

    def predictions(self, model: keras.Model, outputs: Any) -> np.ndarray:
        """float32 (B, D), each of length 1."""
        return np.asarray(outputs, "float32")

    def averaged(self, views: Sequence[Sequence[Any]]) -> np.ndarray:
        """The mean direction of the views."""
        mean = np.mean(views, axis=0)
        return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)

    def names_in(self, data: Any, names: Sequence[str]) -> tuple[str, ...]:
        """The data's own classes."""
        return self.names(data)

    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Search among the images themselves, and telling pairs of a class from others."""
        from tl_keras.evaluation.verification import evaluate_verification

        truths = np.asarray(truths)
        found = self._retrieval(truths, predictions, names)
        threshold = (settings or {}).get("threshold")
        pairs = evaluate_verification(
            predictions, truths, false_accept_rates=(0.1, FALSE_ACCEPT_RATE), threshold=threshold
        )
        counts = np.bincount(truths)
        same = (counts * (counts - 1)).sum() / (len(truths) * (len(truths) - 1))
        return {
            "examples": len(truths),
            "classes": int((counts > 0).sum()),
            "chance": float(same),
            **{f"precision_at_{k}": figure for k, figure in found["precision"].items()},
            "mean_average_precision": found["mean_average_precision"],
            "equal_error_rate": pairs["equal_error_rate"],
            "retrieval": found,
            "verification": pairs,
            "notes": found["notes"],
        }

    def _retrieval(
        self, truths: Any, predictions: Any, names: Sequence[str] | None
    ) -> dict[str, Any]:
        from tl_keras.evaluation.ranking_metrics import evaluate_retrieval

        labels = [str(label) if names is None else names[label] for label in truths]
        depth = min(_DEPTH, len(labels) - 1)
        ks = [k for k in _KS if k <= depth]
        return evaluate_retrieval(predictions, labels, ks=ks, depth=depth)

    def tune(
        self, truths: Sequence[Any], predictions: Sequence[Any], metrics: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The cosine above which two images count as one class, where enough pairs show it."""
        for row in metrics["verification"]["at_rates"]:
            if row["false_accept_rate"] == FALSE_ACCEPT_RATE and row["threshold"]["value"]:
                return {
                    "threshold": row["threshold"]["value"],
                    "false_accept_rate": FALSE_ACCEPT_RATE,
                }
        return {}

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """Precision of the first results, average precision, and error rate of pairs."""
        shown = *(f"precision_at_{k}" for k in _KS), "mean_average_precision", "equal_error_rate"
        return {key.replace("_", " "): metrics[key] for key in shown if key in metrics}

    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, float]:
        """The share of pairs that are of one class."""
        return "any other image", metrics["chance"]

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Precision and average precision of each class."""
        rows = metrics["retrieval"]["by_category"]
        ks = list(metrics["retrieval"]["precision"])
        width = max(len("class"), *(len(row["name"]) for row in rows))
        titles = [*(f"P@{k}" for k in ks), "average precision"]
        lines = ["  ".join([f"{'class':<{width}}", "queries", *(f"{one:>5}" for one in titles)])]
        for row in rows:
            cells = [row["precision"][k]["value"] for k in ks]
            cells.append(row["mean_average_precision"]["value"])
            shown = (f"{cell:>{max(5, len(t))}.3f}" for cell, t in zip(cells, titles, strict=True))
            lines.append("  ".join([f"{row['name']:<{width}}", f"{row['queries']:>7}", *shown]))
        return lines

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Embedded]:  # fmt: skip
        """The vector of each."""
        return [
            Embedded(source, [float(number) for number in vector])
            for source, vector in zip(sources, predictions, strict=True)
        ]

    def said(self, answer: Embedded, top: int | None) -> str:
        """Its first numbers; ``--json`` gives all."""
        first = " ".join(f"{number:+.3f}" for number in answer.vector[: top or 4])
        return f"{len(answer.vector)} numbers: {first} ..."

    def illustrated(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any], images: "MeasuredImages",
    ) -> "Illustrations":  # fmt: skip
        """A contact sheet: images, what they find, and the worst misses."""
        from tl_keras.evaluation.contact_choice import contact_rows
        from tl_keras.evaluation.contact_sheet import contact_section
        from tl_keras.evaluation.measured_images import Illustrations

        labels = [names[truth] for truth in truths]
        rows = contact_rows(predictions, labels)
        sheet = contact_section(rows, images.read, labels)
        return Illustrations({"What images find": sheet})

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Search class by class, and the error rates of pairs."""
        from tl_keras.evaluation.embedding_sections import pairs_section, search_section

        return {
            "Search, class by class": search_section(metrics["retrieval"]),
            "Are two images of one class": pairs_section(metrics["verification"]),
        }


def column_of_labels(data: Any, part: str) -> np.ndarray:
    """The labels of examples or of a pair of arrays.

    Raises:
        InputError: It is neither.
    """
    return np.asarray(data.labels) if hasattr(data, "class_names") else column_of(data, part)
