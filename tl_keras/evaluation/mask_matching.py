"""Found things and true ones: what COCO's and the panoptic rules match with what."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.data.instances import Instances
from tl_keras.evaluation.coco_tool import need_pycocotools
from tl_keras.evaluation.detection_matching import Matches, _collect
from tl_keras.evaluation.instance_errors import judge_things


def encode_masks(things: Instances, unknown: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Run-lengths of each thing as ``pycocotools`` writes them.

    Args:
        things: Of one image.
        unknown: bool (H, W), pixels to leave out, or None.

    Returns:
        One dictionary per thing; those without a pixel left have the area 0.

    Raises:
        InputError: ``pycocotools`` is not installed.
    """
    need_pycocotools()
    from pycocotools import mask as coco_mask

    ids = things.ids if unknown is None else np.where(unknown, 0, things.ids)
    # One mask after the other: all at once are (H, W, K) bytes.
    return [
        coco_mask.encode(np.asfortranarray(ids == k, dtype=np.uint8))
        for k in range(1, len(things) + 1)
    ]


def match_masks(
    true: Sequence[tuple[np.ndarray, list[dict]]],
    found: Sequence[tuple[np.ndarray, np.ndarray, list[dict]]],
    classes: int,
) -> list[Matches]:
    """Match found things with true ones class by class, as COCO does with masks.

    Args:
        true: Of each image the classes (M,) and the run-lengths of :func:`encode_masks`.
        found: Of each image the classes (K,), the scores (K,) and the run-lengths.
        classes: How many there are.

    Returns:
        One record per class.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it tells of every step
        tables = []
        for images in (
            [(labels, np.ones(len(labels)), masks) for labels, masks in true], found,
        ):  # fmt: skip
            table = COCO()
            table.dataset = {
                # The sides are asked for, yet used for polygons only.
                "images": [{"id": i, "height": 0, "width": 0} for i in range(len(true))],
                "categories": [{"id": k} for k in range(classes)],
                "annotations": _annotations(images),
            }
            table.createIndex()
            tables.append(table)
        run = COCOeval(*tables, iouType="segm")
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.params.maxDets = [max([1, *(len(labels) for labels, _, _ in found)])]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, 0]
    images = len(true)
    return [
        _collect(run.evalImgs[k * images : (k + 1) * images], precision[:, :, k])
        for k in range(classes)
    ]


def _annotations(images: Sequence[tuple[np.ndarray, np.ndarray, list[dict]]]) -> list[dict]:
    from pycocotools import mask as coco_mask

    entries: list[dict[str, Any]] = []
    for number, (labels, scores, masks) in enumerate(images):
        for label, score, mask in zip(labels, scores, masks, strict=True):
            area = float(coco_mask.area(mask))
            if not area:
                continue
            entries.append(
                {
                    "id": len(entries) + 1,  # pycocotools takes a match with number 0 for none
                    "image_id": number,
                    "category_id": int(label),
                    "segmentation": mask,
                    "bbox": coco_mask.toBbox(mask).tolist(),
                    "area": area,
                    "score": float(score),
                    "iscrowd": 0,
                }
            )
    return entries


def panoptic_counts(true: Instances, found: Instances, classes: int) -> np.ndarray:
    """What panoptic quality is made of, in one image (Kirillov et al. 2019, arXiv:1801.00868).

    A found and a true thing match if they are of one class and their IoU is above 0.5, which no
    second pair can be.  Unknown pixels are left out, and a found thing that lies on them by more
    than half is not counted.

    Args:
        true: The true things.
        found: Things found in the same image.
        classes: How many there are.

    Returns:
        float64 (4, C): sum of the matches' IoU, matches, found things and true things without one.

    Example:
        >>> one = Instances(np.ones((2, 2), int), np.array([0]), np.ones(1))
        >>> panoptic_counts(one, one, 1)[:, 0].tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    pairs, missed, false = judge_things(true, found)
    matched = [t for t, _, _ in pairs]
    counts = np.zeros((4, classes))
    np.add.at(counts[0], true.classes[matched], [iou for *_, iou in pairs])
    counts[1] = np.bincount(true.classes[matched], minlength=classes)
    counts[2] = np.bincount(found.classes[false], minlength=classes)
    counts[3] = np.bincount(true.classes[missed], minlength=classes)
    return counts
