"""From a trained model to files that other programs run, each checked against the model."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tl_keras
from tl_keras.deployment.formats import FORMATS
from tl_keras.deployment.parity import Parity, parity
from tl_keras.deployment.signature import INPUT, Signature, named, signature_of
from tl_keras.errors import InputError
from tl_keras.tasks.task import Task

if TYPE_CHECKING:
    import keras

_FORMAT = 1
_PICTURES = 8
_PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "onnxruntime", "tf2onnx")


def export_model(
    model: "keras.Model | str | Path",
    folder: str | Path,
    formats: Sequence[str] = ("savedmodel", "litert"),
    *,
    names: Sequence[str] | None = None,
    resize: str = "crop",
    settings: Mapping[str, Any] | None = None,
    images: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Write a trained model for other programs, with the decoding inside, and check every file.

    A file is run by its own runtime on a few pictures, one at a time and all at once, and what it
    says is compared with what the model says.  If any file does not agree, nothing is written:
    converters do write broken files without an error.

    Probabilities of classes are those that ``predict`` says: the model's temperature is inside.

    Every file takes ``"image"``, float32 (batch, S, S, 3) RGB, 0..255, resized as in training, any
    batch, and gives the outputs that ``export.json`` beside it names and explains, with the names
    of classes, the way of resizing, thresholds, and how far the file agrees.

    Args:
        model: The folder of a trained model (``run.save``), or a model of one of the builders.
        folder: Where the files go; must not exist yet, or be empty.
        formats: Of :data:`FORMATS`.
        names: Of the classes or tags; a folder has its own.
        resize: How images were made square in training; a folder says so itself.
        settings: Such as thresholds; a folder has its own.
        images: Pictures to compare on, as for ``Predictor.predict``, two or more; by default eight
            that are drawn.  Give some where the model finds nothing on those.

    Returns:
        The contents of ``export.json``.

    Raises:
        InputError: A file does not agree with the model, the model finds nothing to compare, a
            format cannot say the model or its packages are missing, or an argument cannot be used.

    Example:
        >>> tl.deployment.export_model("saved_models/photos", "exported")  # doctest: +SKIP
    """
    from tl_keras.artefact.writing import check_output

    folder = Path(folder)
    chosen = _chosen(formats)
    for name in chosen:
        FORMATS[name].require()
    said, task, final = _opened(model, names, resize, settings)
    check_output(folder)
    signature = signature_of(final, task)
    pictures = _pictures(images, signature.image_size, said["resize"])
    true = named(task, final, final.predict_on_batch(pictures))
    temporary = Path(tempfile.mkdtemp(prefix=".tl-keras-", dir=folder.parent))
    try:
        files = {}
        for name in chosen:
            path = temporary / FORMATS[name].path
            _written(name, signature, path)
            result = _checked(name, path, task, pictures, true, said["settings"])
            files[name] = {
                "path": path.name,
                **_measured(path),
                "parity": {batch: one.said() for batch, one in result.items()},
            }
        said |= {"outputs": signature.outputs, "files": files, "versions": _versions()}
        (temporary / "export.json").write_text(json.dumps(said, indent=2, allow_nan=False))
        temporary.chmod(0o755)
        temporary.replace(folder)
    except OSError as problem:
        raise InputError(
            f"cannot write to {folder} ({problem}); free space there or give another folder"
        ) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return said


def _chosen(formats: Sequence[str]) -> list[str]:
    formats = [formats] if isinstance(formats, str) else list(dict.fromkeys(formats))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        given = f"format {', '.join(unknown)} is unknown" if unknown else "no format is given"
        raise InputError(f"{given}; give some of {', '.join(FORMATS)}")
    return formats


def _opened(
    model: Any, names: Sequence[str] | None, resize: str, settings: Mapping[str, Any] | None
) -> tuple[dict[str, Any], Task, "keras.Model"]:
    """What ``export.json`` says of the model, its task, and the model with its decoding."""
    from tl_keras.builders.classifier import without_augmentation
    from tl_keras.tasks.registry import TASKS, task_of

    if isinstance(model, str | Path):
        from tl_keras.artefact.predictor import load

        opened = load(model)
        task, final, kept = opened.task, opened.model, opened.description
        names, resize, settings = opened.names, opened.resize, opened.settings
    else:
        finals = {"detections": TASKS["detect"], "instances": TASKS["instances"]}
        is_final = getattr(model, "name", None) in finals
        task = finals[model.name] if is_final else task_of(model)
        final, kept = (model if is_final else task.final(without_augmentation(model))), {}
    size, settings = final.input_shape[1], dict(settings or {})
    final = task.exported(final, settings)
    # Under another name, for nobody is to divide by it once more.
    temperature = settings.pop("temperature", None)
    return (
        {
            "format": _FORMAT,
            "task": task.name,
            task.names_key: None if names is None else list(names),
            "settings": settings,
            **({} if temperature is None else {"temperature_inside": temperature}),
            "backbone": kept.get("backbone"),
            "image_size": size,
            "resize": resize,
            "decoder": kept.get("decoder"),
            "channels": "RGB, 0..255",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "input": {"name": INPUT, "shape": [None, size, size, 3], "dtype": "float32"},
        },
        task,
        final,
    )


def _pictures(images: Sequence[Any] | None, size: int, resize: str) -> np.ndarray:
    if images is None:
        from tl_keras.data.samples import generate_sample

        drawn = [generate_sample(i, image_size=max(size, 64)).image for i in range(_PICTURES)]
        images, resize = drawn, "stretch"
    if len(images) < 2:
        raise InputError("one picture cannot show what varies; give two or more to compare on")
    from tl_keras.data.decoding import load_image

    return np.stack([load_image(image, size, resize) for image in images]).astype("float32")


def _written(name: str, signature: Signature, path: Path) -> None:
    try:
        FORMATS[name].write(signature, path)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from problem
    except OSError:
        raise
    except Exception as problem:  # every converter has errors of its own
        raise InputError(
            f"{name} cannot say this model ({_first_line(problem)}); leave this format out"
        ) from problem


def _checked(
    name: str, path: Path, task: Task, pictures: np.ndarray, true: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
) -> dict[str, Parity]:  # fmt: skip
    """How the file compares with the model, by the size of the batch.

    Raises:
        InputError: It does not agree, or there is nothing to compare.
    """
    form = FORMATS[name]
    try:
        run = form.runner(path)
        singles = [run(pictures[i : i + 1]) for i in range(len(pictures))]
        found = {
            "1": {key: np.concatenate([one[key] for one in singles]) for key in true},
            str(len(pictures)): run(pictures),
        }
    except InputError:
        raise
    except Exception as problem:  # every runtime has errors of its own
        raise InputError(
            f"{name}: its own runtime cannot run the file ({_first_line(problem)}), so nothing was "
            "written; leave this format out"
        ) from problem
    results = {
        batch: parity(task, true, outputs, settings, form.tolerance)
        for batch, outputs in found.items()
    }
    for batch, result in results.items():
        if not result.compared:
            raise InputError(
                f"the model finds nothing on the {len(pictures)} pictures to compare on, so no "
                f"file can be checked; give pictures with {result.answers} on them"
            )
        if not result.holds:
            raise InputError(
                f"{name}: the file does not say what the model says ({_told(result)}, in batches "
                f"of {batch}), so nothing was written; leave this format out"
            )
    return results


def _told(result: Parity) -> str:
    off = ", ".join(f"{key} off by up to {value:.3g}" for key, value in result.largest.items())
    return f"{off}; {100 * result.agreement:.1f} % of {result.compared} {result.answers} agree"


def _measured(path: Path) -> dict[str, Any]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digests = {str(file.relative_to(path.parent)): _sha256(file) for file in files}
    return {"bytes": sum(file.stat().st_size for file in files), "sha256": digests}


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {"tl_keras": tl_keras.__version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
