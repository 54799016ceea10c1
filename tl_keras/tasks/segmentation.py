"""A class for every pixel of an image."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from tl_keras.data.framing import Frame
from tl_keras.data.masks import IGNORE
from tl_keras.errors import InputError
from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.drawn_data import check_target_arrays, drawn_table, same_names
from tl_keras.tasks.kinds import KINDS
from tl_keras.tasks.task import Task, column_of

if TYPE_CHECKING:
    from tl_keras.evaluation.worst_images import Judged


class Segmented(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        shares: Share of the image's pixels that is of each class, by name.
        classes: uint8 (H, W), a position among the names for every pixel of the image itself; 255
            where the model did not look (what cropping cut off).
    """

    source: str
    shares: dict[str, float]
    classes: np.ndarray


class Segmentation(Task):
    """Every pixel has a class, the background being one.

    A truth is uint8 (S, S), 255 where nothing is known; a prediction uint8 (S, S).
    """

    name = "segment"
    line = KINDS["segment"]
    target = "pixels"
    mixed_target = None
    watch = "mean_iou"
    model_name = "segmenter"
    counts_note = "Pixels of each class, at the images' own size."
    draws = True
    losses = ("crossentropy", "focal")
    tiles = True
    heads = ("unet", "fcn", "deeplabv3plus", "fpn")
    resize = "stretch"
    batch_size = 8

    def names(self, data: Any) -> tuple[str, ...]:
        """The classes, background included; of arrays, their numbers."""
        if hasattr(data, "class_names"):
            return data.class_names
        found = column_of(data, "training")
        return tuple(str(i) for i in range(int(found[found != IGNORE].max()) + 1))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_segmenter``."""
        from tl_keras.builders.segmenter import build_segmenter

        if len(names) < 2:
            raise InputError(
                f"masks of one class ({', '.join(names)}) tell nothing apart; name what lies "
                "around it: --background NAME"
            )
        return build_segmenter(
            backbone, len(names), image_size=image_size, weights=weights,
            decoder=head or self.heads[0],
        )  # fmt: skip

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples with masks, whose classes stand in ``names``."""
        return drawn_table(data, "masks", names, drop=())

    def outputs(self, model: keras.Model) -> int:
        """Classes."""
        return model.output_shape[-1]

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Pixels of each class."""
        classes = self.outputs(model)
        size = model.input_shape[1]
        if hasattr(data, "masks"):
            same_names(data, classes, part)
            counts = np.zeros(classes, "int64")
            for mask, (height, width) in zip(data.masks, data.sizes.tolist(), strict=True):
                if mask is not None:
                    there = np.bincount(mask.semantic(height, width).ravel(), minlength=256)
                    counts += there[:classes]
        else:
            found = check_target_arrays(data, (size, size), part).astype("int64")
            counts = np.bincount(found.ravel().clip(0, IGNORE), minlength=256)[:classes]
        if not counts.any():
            raise InputError(f"no {part} mask has a pixel of a known class; check the masks")
        return counts

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """Cross-entropy or focal loss of the pixels, and dice."""
        from tl_keras.losses import class_weights
        from tl_keras.tasks.segmentation_objective import SegmentationLoss

        weights = None
        if recipe.class_weights is not None:
            weights = class_weights(recipe.class_weights, counts, names)
        return SegmentationLoss(
            dice=1.0,
            gamma=2.0 if recipe.loss == "focal" else 0.0,
            class_weights=weights,
            label_smoothing=recipe.label_smoothing,
            from_logits=_gives_logits(model),
        )

    def metrics(self, model: keras.Model) -> list[Any]:
        """Mean IoU."""
        from tl_keras.tasks.segmentation_objective import PixelMeanIoU

        return [PixelMeanIoU(self.outputs(model), name=self.watch)]

    def predictions(self, model: keras.Model, outputs: Any) -> np.ndarray:
        """The most probable class of each pixel."""
        return np.asarray(outputs).argmax(-1).astype("uint8")

    def placed(self, prediction: Any, frame: Frame) -> np.ndarray:
        """Classes by the image's own pixels."""
        return frame.mask(prediction, IGNORE)

    def tiled(self, model: keras.Model, image: np.ndarray) -> np.ndarray:
        """Classes by the image's own pixels, see ``tl_keras.evaluation.tiling.predict_tiled``."""
        from tl_keras.evaluation.tiling import predict_tiled

        maps = predict_tiled(model.predict_on_batch, image, model.input_shape[1])
        return self.predictions(model, maps)

    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As ``tl_keras.evaluation.evaluate_segmentation``."""
        from tl_keras.evaluation.segmentation_metrics import evaluate_segmentation

        return evaluate_segmentation(zip(truths, predictions, strict=True), names)

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """Mean IoU, accuracy of pixels, F1 of outlines where these are known."""
        outlines = metrics["boundary_f1"]
        return {
            "mean IoU": metrics["mean_iou"],
            "pixel accuracy": metrics["pixel_accuracy"],
            **({} if outlines["value"] is None else {"boundary F1": outlines}),
        }

    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, float]:
        """The mean IoU of calling every pixel by the commonest class."""
        pixels = np.array([row["pixels"] for row in metrics["per_class"]], "float64")
        return "commonest class", float(pixels.max() / pixels.sum() / (pixels > 0).sum())

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """IoU and boundary F1 of each class."""
        from tl_keras.evaluation.dense_tables import segmentation_table

        return segmentation_table(metrics)

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Segmented]:  # fmt: skip
        """The classes of each image's pixels, and their shares."""
        found = []
        for source, classes in zip(sources, predictions, strict=True):
            pixels = np.bincount(classes.ravel(), minlength=256)[: len(names)]
            shares = (pixels / max(1, pixels.sum())).tolist()
            found.append(Segmented(source, dict(zip(names, shares, strict=True)), classes))
        return found

    def said(self, answer: Segmented, top: int | None) -> str:
        """Shares of the classes that are there, the largest first."""
        ordered = sorted(answer.shares.items(), key=lambda pair: -pair[1])[:top]
        return "  ".join(f"{name} {100 * share:.1f} %" for name, share in ordered if share)

    def told(self, answer: Segmented) -> dict[str, Any]:
        """Without the pixels; ``--draw`` writes those."""
        return {"source": answer.source, "shares": answer.shares}

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Figures of each class, and which is taken for which."""
        from tl_keras.evaluation.dense_sections import segmentation_sections

        return segmentation_sections(metrics)

    def worst(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> "list[Judged]":  # fmt: skip
        """Lowest mean IoU first."""
        from tl_keras.evaluation.worst_images import worst_segmented

        return worst_segmented(truths, predictions, names)

    def picture(
        self, image: np.ndarray, truth: Any, prediction: Any, names: Sequence[str],
        settings: Mapping[str, Any], side: int = PANEL_SIDE,
    ) -> np.ndarray:  # fmt: skip
        """Classes in colours over the image."""
        from tl_keras.evaluation.mask_pictures import segmentation_picture

        return segmentation_picture(image, truth, prediction, names, side=side)


def _gives_logits(model: keras.Model) -> bool:
    return getattr(model.get_layer("predictions").activation, "__name__", "") == "linear"
