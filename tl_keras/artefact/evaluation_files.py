"""What an evaluation leaves in a folder: figures, pictures, and a page to read."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from tl_keras.artefact.predictor import Predictor
from tl_keras.artefact.reporting import pictured_sections
from tl_keras.artefact.split_record import described_side
from tl_keras.artefact.writing import versions


def write_evaluation(
    folder: Path, predictor: Predictor, examples: Any, judged: tuple[Sequence[Any], Sequence[Any]],
    metrics: Mapping[str, Any], *, data: str, command: str,
) -> None:  # fmt: skip
    """Write ``metrics.json``, ``report.html``, pictures of the worst and of the confusion matrix.

    Args:
        folder: That is there.
        predictor: Which was measured.
        examples: On these.
        judged: Truth and prediction of each, as of ``Predictor.judged``.
        metrics: Of them.
        data: Name of the examples.
        command: That asked for it.
    """
    from tl_keras.evaluation.measured_images import Illustrations, MeasuredImages
    from tl_keras.evaluation.plots import plot_confusion_matrix
    from tl_keras.training.worst_pictures import draw_worst, worst_of

    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1))
    if "confusion_matrix" in metrics:
        plot_confusion_matrix(metrics, folder / "confusion_matrix.png")
    task, known = predictor.task, (predictor.names, predictor.settings)
    images = MeasuredImages(examples, predictor.image_size, predictor.resize)
    worst = worst_of(task, *judged, *known)
    pictures = draw_worst(task, predictor.model, worst, images.read, *known)
    for place, picture in enumerate(pictures, 1):
        Image.fromarray(picture).save(folder / f"worst-{place:02d}.jpg", quality=90)
    captions = [f"{images.name(one.judged.index)}: {one.judged.caption}" for one in worst]
    names = task.names_in(examples, predictor.names)
    illustrations = (
        task.illustrated(*judged, names, predictor.settings, images)
        if task.pooled
        else Illustrations({})
    )
    shown = list(zip(pictures, captions, strict=True))
    sections = pictured_sections(task, metrics, illustrations, shown)
    _write_page(
        folder / "report.html", predictor, metrics, sections, illustrations.style,
        _data(examples, data, task.target), data, command,
    )  # fmt: skip


def _data(examples: Any, name: str, target: str) -> str:
    from tl_keras.evaluation.data_section import data_section

    return data_section({
        "data": name, "train_images": None, "train_counts": None,
        "split": {"measured": described_side(examples, target)}, "skipped": examples.skipped,
    })  # fmt: skip


def _write_page(
    file: Path, predictor: Predictor, metrics: Mapping[str, Any], sections: Mapping[str, str],
    style: str, about_data: str, data: str, command: str,
) -> None:  # fmt: skip
    from tl_keras.evaluation.report import write_report

    task, said = predictor.task, predictor.description
    headline = task.headline(metrics)
    first = next(iter(headline))
    name, guess = task.baseline(metrics)
    write_report(
        file,
        title=f"{predictor.folder.resolve().name} on {Path(data).name}",
        measured=f"{metrics['examples']:,} images, {task.line}",
        headline=headline,
        compared={f"This model, {first}": headline[first], name: guess},
        model_info={
            "Model": str(predictor.folder), "Backbone": said["backbone"],
            "Image size": f"{said['image_size']} px, {said['resize']}",
            "Trained": said.get("created", "nobody knows when"),
        },
        data=about_data,
        sections=sections,
        reproduce={
            "command": command, "Made": datetime.now(UTC).isoformat(timespec="seconds"),
            "Versions": versions(),
        },
        style=style,
    )  # fmt: skip
