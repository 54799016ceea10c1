"""What an artefact says of classes that were added to it, and what it no longer says."""

import csv
import hashlib
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_keras.artefact.class_features import ClassFeatures
from tl_keras.artefact.predictor import Predictor
from tl_keras.artefact.writing import versions

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def described(
    predictor: Predictor, fresh: "Examples", remembered: ClassFeatures, result: dict[str, Any],
    given: bool,
) -> dict[str, Any]:  # fmt: skip
    """``model.json``: what is true of the wider model; what was true of the other stands apart.

    Args:
        predictor: The old model.
        fresh: Images of the new classes.
        remembered: Images of the old.
        result: Of ``add_classes``: names and metrics.
        given: Whether the images of the old classes were given, not remembered.
    """
    old = predictor.description
    seen = int(remembered.learned.sum())
    told = f"{len(remembered.labels)} images of the classes it knew"
    if given:
        told += " (given to it, and maybe trained on)"
    elif seen:
        told += f" ({seen} of them of classes added before, learned from)"
    else:
        told += " (held out when it was trained)"
    moved = ("class_names", "settings", "metrics", "test_metrics", "baselines", "few_shot",
             "evaluated_on", "cost", "train_fingerprint", "split", "best_epoch", "command",
             "created")  # fmt: skip
    kept = {key: value for key, value in old.items() if key not in moved}
    fingerprint = old.get("train_fingerprint")
    if fingerprint is not None:
        pair = f"{fingerprint} {fresh.fingerprint()}"
        fingerprint = hashlib.sha256(pair.encode()).hexdigest()
    addition = {
        "class_names": list(fresh.class_names), "images": fresh.counts(),
        "fingerprint": fresh.fingerprint(), "data": fresh.root,
        "old_classes": result["old_classes"],
        "skipped": [list(item) for item in fresh.skipped],
        "before": {key: old[key] for key in moved if key in old},
    }  # fmt: skip
    return {
        **kept,
        "class_names": result["class_names"],
        "metrics": result["metrics"],
        "evaluated_on": f"{told} and {len(fresh)} of the new, each left out of the fit of the new",
        "train_images": old["train_images"] + len(fresh) if old.get("train_images") else None,
        "train_counts": {**(old.get("train_counts") or {}), **fresh.counts()},
        # Neither that of the old data nor of the new: it follows from both.
        "train_fingerprint": fingerprint,
        "split": None,
        "best_epoch": None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "added": [*old.get("added", []), addition],
    }


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of ``history.csv``, empty cells left out; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {k: v if k == "stage" else float(v) for k, v in row.items() if v}
            for row in csv.DictReader(file)
        ]


def added_section(result: dict[str, Any]) -> str:
    """What was added and what that did to the old classes, as HTML for the report."""
    old = result["old_classes"]
    added = ", ".join(f"{escape(name)} ({count} images)" for name, count in result["added"].items())
    before, after = (100 * old[key]["value"] for key in ("before", "after"))
    return (
        f"<p>{added}: computed beside the other classes, whose own scores were not touched. On "
        f"{old['images']} images of those, accuracy was {before:.1f} % before and is {after:.1f} % "
        f"now; {old['taken']} are taken for a new class. The curves below are of the training "
        "before.</p>"
    )
