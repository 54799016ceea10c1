"""Every single thing of an image, pixel by pixel."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from tl_keras.data.framing import Frame
from tl_keras.data.instances import Instances
from tl_keras.errors import InputError
from tl_keras.evaluation.coco_tool import need_pycocotools
from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.drawn_data import check_target_arrays, drawn_table, same_names
from tl_keras.tasks.kinds import KINDS
from tl_keras.tasks.room import LEAST, room_for
from tl_keras.tasks.task import column_of
from tl_keras.tasks.things import ThingTask, counted, threshold_of

if TYPE_CHECKING:
    from tl_keras.evaluation.worst_images import Judged


class Thing(NamedTuple):
    """One thing.

    Attributes:
        class_name: What it is.
        score: How sure the model is, in [0, 1].
        box: ``x1, y1, x2, y2`` around its pixels, px of the image itself.
        pixels: How many it has.
    """

    class_name: str
    score: float
    box: tuple[float, float, float, float]
    pixels: int


class Things(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        things: Those whose score reaches the model's threshold, best first.
        counts: How many there are of each class by name.
        ids: int32 (H, W), for every pixel of the image itself the number, from 1 on, of the thing
            that it belongs to; 0 for none.
    """

    source: str
    things: tuple[Thing, ...]
    counts: dict[str, int]
    ids: np.ndarray


class InstanceSegmentation(ThingTask):
    """An image shows any number of things, each with its pixels.

    Truth and prediction are ``tl_keras.data.instances.Instances``.
    """

    name = "instances"
    line = KINDS["instances"]
    target = "instances"
    watch = "thing_iou"
    model_name = "instance_segmenter"
    counts_note = "Things of each class."
    heads = ("unet", "fcn", "deeplabv3plus", "fpn")

    def names(self, data: Any) -> tuple[str, ...]:
        """The kinds of things; of arrays, their numbers."""
        if hasattr(data, "class_names"):
            return data.class_names
        classes = column_of(data, "training")[..., 0]
        return tuple(str(i) for i in range(int(classes[classes != 255].max())))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_instance_segmenter``."""
        from tl_keras.builders.instance_segmenter import build_instance_segmenter

        return build_instance_segmenter(
            backbone, len(names), image_size=image_size, weights=weights,
            decoder=head or self.heads[0],
        )  # fmt: skip

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples with masks, whose kinds of things stand in ``names``."""
        return drawn_table(data, "masks", names)

    def outputs(self, model: keras.Model) -> int:
        """Kinds of things."""
        return model.get_layer("classes").output.shape[-1] - 1

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Things of each kind; there are some."""
        need_pycocotools()
        kinds = self.outputs(model)
        size = model.input_shape[1]
        if hasattr(data, "masks"):
            same_names(data, kinds, part)
        else:
            check_target_arrays(data, (size, size, 6), part)
        found = self._classes(data)
        counts = np.bincount(np.concatenate([np.zeros(0, "int64"), *found]), minlength=kinds)
        if not counts.any():
            raise InputError(f"no {part} image shows a thing; check the masks")
        if len(counts) > kinds:
            raise InputError(f"{part} things are of kind {len(counts) - 1} of {kinds}, from 0 on")
        return counts

    def _classes(self, data: Any) -> list[np.ndarray]:
        """The classes of the things of each image."""
        if not hasattr(data, "masks"):
            return [self.truths(image[None])[0].classes for image in np.asarray(data[1])]
        return [
            mask.instances(height, width)[1]
            for mask, (height, width) in zip(data.masks, data.sizes.tolist(), strict=True)
            if mask is not None
        ]

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """The losses of Panoptic-DeepLab, with dice."""
        from tl_keras.tasks.instance_objective import InstanceLoss

        self.check_weights(recipe)
        return InstanceLoss(dice=1.0)

    def metrics(self, model: keras.Model) -> list[Any]:
        """IoU of the pixels of things that point to their own centre."""
        from tl_keras.tasks.instance_metric import ThingIoU

        return [ThingIoU(name=self.watch)]

    def bounds(self, data: Any) -> dict[str, int]:
        """Room for the things of the fullest image, and more."""
        boxed = getattr(data, "boxes", None) is not None  # of every thing: no mask is drawn
        return {"max_things": room_for(map(len, data.boxes if boxed else self._classes(data)))}

    def final(self, model: keras.Model, max_things: int = LEAST) -> keras.Model:
        """``instances_model``: things instead of maps."""
        from tl_keras.builders.instance_decoding import instances_model

        return instances_model(model, max_things=max_things)

    def truths(self, targets: np.ndarray) -> list[Instances]:
        """The things that the maps were made of."""
        from tl_keras.data.drawn_targets import things_of

        return [things_of(maps) for maps in targets]

    def predictions(self, model: keras.Model, outputs: Any) -> list[Instances]:
        """The final model's things."""
        from tl_keras.builders.instance_decoding import decoded_instances

        return decoded_instances(outputs["ids"], outputs["things"])

    def placed(self, prediction: Instances, frame: Frame) -> Instances:
        """The things in the image's own px."""
        return Instances(frame.mask(prediction.ids, 0), prediction.classes, prediction.scores)

    def evaluated(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        threshold: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As ``tl_keras.evaluation.evaluate_instances``."""
        from tl_keras.evaluation.instance_metrics import evaluate_instances

        pairs = zip(truths, predictions, strict=True)
        return evaluate_instances(pairs, names, score_threshold=threshold)

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """AP of masks at IoU 0.5, as COCO averages it, and panoptic quality."""
        return {
            "AP at IoU 0.5": metrics["ap50"],
            "AP (COCO)": metrics["ap"],
            "panoptic quality": metrics["panoptic_quality"],
        }

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Average precision, panoptic quality and counts of each kind."""
        from tl_keras.evaluation.dense_tables import instances_table

        return instances_table(metrics)

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Things]:  # fmt: skip
        """The things of each image whose score reaches the threshold."""
        least = threshold_of(settings)
        found = []
        for source, own in zip(sources, predictions, strict=True):
            number = np.zeros(len(own) + 1, "int32")
            things = []
            for k in np.flatnonzero(own.scores >= least):
                rows, columns = np.nonzero(own.ids == k + 1)
                if not len(rows):  # shrunk away on the way to the image's own size
                    continue
                box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                things.append(
                    Thing(names[own.classes[k]], float(own.scores[k]), tuple(map(float, box)),
                          len(rows))
                )  # fmt: skip
                number[k + 1] = len(things)
            counts = counted(things, names)
            found.append(Things(source, tuple(things), counts, number[own.ids.clip(0)]))
        return found

    def told(self, answer: Things) -> dict[str, Any]:
        """With a mapping for each thing, without the pixels; ``--draw`` writes those."""
        things = [thing._asdict() for thing in answer.things]
        return {"source": answer.source, "things": things, "counts": answer.counts}

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Figures and curves of each kind, and counts against true ones."""
        from tl_keras.evaluation.dense_sections import instances_sections

        return instances_sections(metrics)

    def worst(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> "list[Judged]":  # fmt: skip
        """Lowest panoptic quality first."""
        from tl_keras.evaluation.worst_images import worst_instances

        return worst_instances(truths, predictions, names, threshold_of(settings))

    def picture(
        self, image: np.ndarray, truth: Any, prediction: Any, names: Sequence[str],
        settings: Mapping[str, Any], side: int = PANEL_SIDE,
    ) -> np.ndarray:  # fmt: skip
        """Each thing in a colour of its own, with its outline."""
        from tl_keras.evaluation.mask_pictures import instances_picture

        least = threshold_of(settings)
        return instances_picture(image, truth, prediction, names, least, side=side)
