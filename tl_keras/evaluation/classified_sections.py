"""What a report shows of the images that a classifier was measured on."""

from collections.abc import Sequence

import numpy as np

from tl_keras.evaluation.certainty import certainty_section
from tl_keras.evaluation.confused_pairs import pairs_section
from tl_keras.evaluation.confusion_page import cell_panels, confusion_section
from tl_keras.evaluation.group_figures import groups_section
from tl_keras.evaluation.label_doubts import doubts_section
from tl_keras.evaluation.measured_images import Illustrations, MeasuredImages
from tl_keras.evaluation.metrics import confusion_counts
from tl_keras.evaluation.picture_pool import PicturePool


def classified_sections(
    labels: Sequence[int], probabilities: np.ndarray, names: Sequence[str], images: MeasuredImages
) -> Illustrations:
    """Confusion by click, confused pairs, certainty, doubtful labels, and accuracy by group.

    Args:
        labels: True classes, int (N,).
        probabilities: float (N, C).
        names: The C names.
        images: The N images.

    Returns:
        Sections, every picture in them written once.
    """
    labels, found = np.asarray(labels, "int64"), np.asarray(probabilities, "float64")
    confusion = confusion_counts(labels, found.argmax(axis=1), len(names))
    pool = PicturePool(images)
    # Those with few pictures first: the cells of the table take what room is left.
    pairs = pairs_section(labels, found, names, confusion, pool)
    certain = certainty_section(labels, found, names, pool)
    doubts = doubts_section(labels, found, names, pool)
    table = confusion_section(
        {"class_names": names, "confusion_matrix": confusion},
        cell_panels(labels, found, names, pool),
    )
    right = found.argmax(axis=1) == labels
    sections = {
        "Which class is taken for which": table,
        "The most confused pairs": pairs,
        "The surest and the least sure images": certain,
        "Labels that may be wrong": doubts,
        "Group by group": groups_section(right, images.columns()),
    }
    return Illustrations(sections, pool.style)
