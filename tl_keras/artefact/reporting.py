"""The report of an artefact: from ``model.json`` and what its images show to ``report.html``."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.evaluation.measured_images import Illustrations

if TYPE_CHECKING:
    from tl_keras.tasks.task import Task


def write_model_report(
    file: Path, title: str, task: "Task", said: Mapping[str, Any], *,
    history: Sequence[Mapping[str, Any]] = (), illustrations: Illustrations | None = None,
    worst: Iterable[tuple[np.ndarray, str]] = (), extra: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write ``report.html``.

    Args:
        file: To write.
        title: Heading.
        task: What was learned.
        said: The contents of ``model.json``.
        history: One row an epoch; a single one makes no curve, and is not drawn.
        illustrations: What the measured images show.
        worst: Pictures of the images that the model did worst on, with captions.
        extra: More sections: title to HTML.
    """
    from tl_keras.evaluation.cost_section import cost_section
    from tl_keras.evaluation.data_section import data_section
    from tl_keras.evaluation.report import write_report

    illustrations = illustrations or Illustrations({})
    metrics = said["metrics"]
    headline: Mapping[str, Any] = {}
    compared: dict[str, Any] = {}
    sections: dict[str, str] = {}
    if metrics:
        headline = task.headline(metrics)
        first = next(iter(headline))
        name, guess = task.baseline(metrics)
        compared = {
            f"This model, {first}": headline[first], **said.get("baselines", {}), name: guess
        }  # fmt: skip
        sections = pictured_sections(task, metrics, illustrations, worst)
    cost = said.get("cost")
    write_report(
        file,
        title=title,
        measured=f"{metrics['examples']:,} held-out images, {task.line}" if metrics else None,
        headline=headline,
        compared=compared,
        model_info=_facts(said),
        data=data_section(said),
        history=history if len(history) > 1 else (),
        sections={**sections, **(extra or {})},
        cost=cost_section(cost, said["parameters"]) if cost else "",
        reproduce=_reproduce(said),
        style=illustrations.style,
    )


def pictured_sections(
    task: "Task", metrics: Mapping[str, Any], illustrations: Illustrations,
    worst: Iterable[tuple[np.ndarray, str]],
) -> dict[str, str]:  # fmt: skip
    """The task's sections, those with images among them, and the worst images last.

    Args:
        task: What was measured.
        metrics: Of it.
        illustrations: What the measured images show.
        worst: Pictures with captions.

    Returns:
        Title to HTML.
    """
    from tl_keras.evaluation.report_blocks import gallery

    shown = gallery(worst, task.worst_note)
    return {**task.report(metrics), **illustrations.sections, "The worst images": shown}


def _facts(said: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        "Backbone": said["backbone"],
        "Weights": said.get("weights"),
        "Recipe": f"{said['recipe']['name']}: {said['recipe']['reason']}",
        "Image size": f"{said['image_size']} px, {said['resize']}",
        "Measured on": said.get("evaluated_on"),
        "Parameters": f"{said['parameters']:,}",
    }
    return {name: value for name, value in facts.items() if value is not None}


def _reproduce(said: Mapping[str, Any]) -> dict[str, Any]:
    entries = {
        "command": said.get("command"),
        "Data": said.get("data"),
        "Split": (said.get("split") or {}).get("fingerprint"),
        "Seed": said["seed"],
        "Batch size": said.get("batch_size"),
        "Made": said.get("created"),
        "Versions": said["versions"],
    }
    return {name: value for name, value in entries.items() if value is not None}
