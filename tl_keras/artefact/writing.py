"""Write an artefact: everything into a folder beside it, then one rename."""

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tl_keras
from tl_keras.artefact.class_features import ClassFeatures, write_features
from tl_keras.artefact.domain_file import write_domain
from tl_keras.artefact.split_record import described_split
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.training.run import Run

FORMAT = 1
_PREFIX = ".tl-keras-"


def check_output(path: Path) -> None:
    """Raise before any training if an artefact could not be written to ``path``.

    Raises:
        InputError: Another run or other files stand there, or the place cannot be written to.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; give --output a folder")
        if path.is_dir() and any(path.iterdir()):
            what = "another run" if (path / "model.json").exists() else "other files"
            raise InputError(f"{path} already holds {what}; give another --output, or move it away")
        if path.is_dir() and (path.is_symlink() or path.samefile(Path.cwd()) or path.is_mount()):
            raise InputError(
                f"{path} cannot be replaced by a run; give --output a new folder in it"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        # Writes there, and finds out whether the file system takes the name.
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=path.parent) as trial:
            (Path(trial) / path.name).mkdir()
    except OSError as problem:
        raise InputError(
            f"cannot write to {path} ({problem.strerror}); give an --output that you may write to"
        ) from problem


def write_artefact(run: "Run", path: Path, *, notes: dict[str, Any]) -> Path:
    """Write the artefact of a run; what stood at ``path`` stays as it was if this fails.

    Raises:
        InputError: As :func:`check_output`.
    """
    from tl_keras.artefact.reporting import write_model_report
    from tl_keras.evaluation.history import write_history_csv
    from tl_keras.training.cost import measured_cost

    with written_whole(path) as temporary:
        save_model(run.final, temporary)
        cost = measured_cost(
            run.final, run.history, run.seconds, run.batch_size, temporary / "model.keras"
        )
        description = {**describe(run), "cost": cost, **notes}
        (temporary / "model.json").write_text(json.dumps(description, indent=2, allow_nan=False))
        if run.held_out is not None:
            rows, labels = run.held_out
            never = np.zeros(len(labels), bool)
            write_features(temporary, ClassFeatures(rows, labels, never).some())
        if run.domain is not None:
            write_domain(temporary, run.domain)
        write_history_csv(run.history, temporary / "history.csv")
        write_model_report(
            temporary / "report.html", path.name, run.task, description, history=run.history,
            illustrations=run.illustrations, worst=run.shown,
        )  # fmt: skip
    return path


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``path`` where the block ends well, and else goes.

    Raises:
        InputError: As :func:`check_output`, or the block could not write.
    """
    check_output(path)
    temporary = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(path)
    except OSError as problem:
        raise InputError(
            f"cannot write the artefact to {path} ({problem}); free space there or give another "
            "--output"
        ) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_model(model: Any, folder: Path) -> None:
    """Write ``model.keras``.

    A new model over the same layers is not compiled: an optimizer of ours, saved with the model,
    would keep it from loading where tl_keras is missing.
    """
    import keras

    plain = keras.Model(model.input, model.output, name=model.name)
    plain.save(folder / "model.keras")


def versions() -> dict[str, str]:
    """Of what a model was made with."""
    import keras

    return {
        "tl_keras": tl_keras.__version__,
        "python": sys.version.split()[0],
        "keras": keras.__version__,
        "backend": f"{keras.backend.backend()} {version(keras.backend.backend())}",
        "numpy": version("numpy"),
        "pillow": version("pillow"),
    }


def describe(run: "Run") -> dict[str, Any]:
    """The contents of ``model.json``."""
    from tl_keras.backbones.registry import find_backbone
    from tl_keras.data.decoding import DECODER

    base = find_backbone(run.model)
    train = run.train
    return {
        "format": FORMAT,
        "task": run.task.name,
        run.task.names_key: list(run.names),
        "settings": run.settings,
        "backbone": base.name,
        "image_size": run.image_size,
        "resize": run.resize,
        "decoder": DECODER,
        "channels": "RGB, 0..255",
        "recipe": {
            "name": run.recipe.name,
            "reason": run.recipe.reason,
            "bottom_rate": run.recipe.bottom_rate,
            "loss": run.recipe.loss,
            "class_weights": run.recipe.class_weights,
            "balance": run.recipe.balance,
            "stages": [vars(stage) for stage in run.recipe.stages],
        },
        "seed": run.seed,
        "batch_size": run.batch_size,
        "best_epoch": run.best,
        "interrupted": run.interrupted,
        "metrics": run.metrics,
        "train_images": len(train if hasattr(train, "dataset") else train[1]),
        "train_counts": dict(zip(run.names, run.counts.tolist(), strict=True)),
        "train_fingerprint": train.fingerprint() if hasattr(train, "fingerprint") else None,
        "split": described_split(run.train, run.val, target=run.task.target),
        "skipped": [list(item) for item in getattr(train, "skipped", ())],
        "crossing": [list(item) for item in getattr(train, "crossing", ())],
        "seconds": round(run.seconds, 1),
        "parameters": run.model.count_params(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }
