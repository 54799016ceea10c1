"""Write several artefacts of one kind as one, whose model is their ensemble."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError


def write_ensemble(
    members: Sequence[Path], path: Path, test: Any = None, *, command: str | None = None
) -> dict[str, Any] | None:
    """Write ``model.keras``, ``model.json`` and ``history.csv`` of an ensemble into a folder.

    Args:
        members: Artefacts, alike but for what they were trained on.
        path: The folder; ``report.html`` is the caller's.
        test: Examples that no member has seen, to measure on; None: nothing is measured, for every
            other image was trained on by some member.
        command: That made it.

    Returns:
        The ensemble's metrics on ``test``, or None.

    Raises:
        InputError: An artefact cannot be opened, or they do not fit together.
    """
    import csv

    from tl_keras.artefact.predictor import load
    from tl_keras.evaluation.history import write_history_csv
    from tl_keras.training.ensembles import ensemble_of

    opened = [load(member) for member in members]
    first = opened[0]
    for one, where in zip(opened, members, strict=True):
        kept = ("task", "image_size", "resize", "decoder")
        if one.names != first.names or any(
            one.description.get(key) != first.description.get(key) for key in kept
        ):
            raise InputError(
                f"{where} and {members[0]} differ in their classes or their way of reading images; "
                "give artefacts of the same task and data"
            )
    model = ensemble_of([one.model for one in opened])
    model.save(path / "model.keras")
    description = {
        **first.description,
        "settings": first.task.joint([one.settings for one in opened]),
        "members": [
            {"split": one.description["split"], "seed": one.description["seed"]} for one in opened
        ],
        # Each is that of one member.
        **dict.fromkeys(
            ("split", "seed", "best_epoch", "train_images", "train_counts", "train_fingerprint")
        ),
        "metrics": {},
        "seconds": round(sum(one.description["seconds"] for one in opened), 1),
        "parameters": model.count_params(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
    }
    for key in ("test_metrics", "baselines", "evaluated_on", "cost"):
        description.pop(key, None)
    _write(path, description)
    metrics = None
    if test is not None:
        metrics = load(path).evaluate(test)
        _write(path, {**description, "test_metrics": metrics})
    rows = []
    for number, member in enumerate(members, 1):
        with (member / "history.csv").open(newline="", encoding="utf-8") as file:
            rows += [{**row, "member": number} for row in csv.DictReader(file)]
    write_history_csv(rows, path / "history.csv")
    return metrics


def _write(path: Path, description: dict[str, Any]) -> None:
    (path / "model.json").write_text(json.dumps(description, indent=2, allow_nan=False))
