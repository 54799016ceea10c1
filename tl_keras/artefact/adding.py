"""Add classes to a trained classifier: what it knows stays bit for bit as it is."""

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.artefact.added_record import added_section, described, read_history
from tl_keras.artefact.class_features import (
    ClassFeatures,
    even_positions,
    read_features,
    write_features,
)
from tl_keras.artefact.domain_file import write_domain
from tl_keras.artefact.predictor import Predictor, load
from tl_keras.artefact.reporting import write_model_report
from tl_keras.artefact.writing import check_output, save_model, written_whole
from tl_keras.errors import InputError
from tl_keras.evaluation.out_of_domain import Domain, domain_of

if TYPE_CHECKING:
    import keras

    from tl_keras.data.examples import Examples


def add_classes(
    model: str | Path,
    examples: "Examples",
    output: str | Path,
    *,
    known: "Examples | None" = None,
    command: str | None = None,
    verbose: bool = True,
) -> dict[str, Any]:
    """Write an artefact that knows the classes of another one and those of ``examples``.

    The backbone and the columns of the old classes are copied, so that these keep their logits.
    Temperature, sets, abstention and what counts as strange are found anew, on held-out images of
    the old classes and on new ones left out of the fit; where images of the old ones are given,
    which may have been trained on, the wider model promises nothing.  The new columns are computed
    in seconds (:func:`tl_keras.training.added_classes.columns_for_classes`) from the features of
    the new images, and of held-out images of the old classes that the artefact remembers.

    Args:
        model: Folder of a classifier with a plain last layer.
        examples: Images of the new classes, two distinct ones of each or more.
        output: Folder to write, which is not there yet.
        known: Images of every old class, in place of those that the artefact remembers.
        command: That asked for it, for ``model.json``.
        verbose: Whether a progress bar is shown on standard error.

    Returns:
        JSON values: ``artefact``, ``class_names``, ``added`` (class to number of images),
        ``metrics`` (over all classes, each image left out of the fit of the new columns),
        ``old_classes`` (``before`` and ``after``: accuracy on the old classes' images, and
        ``taken``, how many of them are now named as a new class).

    Raises:
        InputError: The model is no such classifier, knows a class already or remembers nothing of
            the old ones; a new class has fewer than two images; ``output`` is there.

    Example:
        >>> add_classes("saved_models/insects", wasps, "saved_models/insects-2")  # doctest: +SKIP
    """
    began = time.perf_counter()
    output = Path(output)
    check_output(output)
    predictor = load(model)
    _check_model(predictor, model)
    fresh = _checked(predictor, examples, known)
    old_count = len(predictor.names)
    extract = _extraction(predictor, verbose)
    remembered = _remembered(predictor, Path(model), known, extract)
    rows = extract(fresh, "new images")
    new = ClassFeatures(rows, fresh.labels + old_count, np.ones(len(rows), bool))
    both = remembered.joined(new)
    names = (*predictor.names, *fresh.class_names)
    grown, truths, said, before = _grown(predictor.model, both, len(fresh.class_names))
    metrics = predictor.task.measure(truths, said, names, None)
    was_old = truths < old_count
    result = {
        "artefact": str(output),
        "class_names": list(names),
        "added": fresh.counts(),
        "metrics": metrics,
        "old_classes": _compared(truths[was_old], before[was_old], said[was_old]),
    }
    seconds = time.perf_counter() - began
    # What the old model promised it promised of other classes; images that it may have been trained
    # on promise nothing.
    settings = {} if known is not None else predictor.task.tune(truths, said, metrics)
    description = described(predictor, fresh, remembered, result, known is not None)
    description |= {
        "settings": settings, "command": command, "parameters": grown.count_params(),
        "seconds": round(predictor.description["seconds"] + seconds, 1),
    }  # fmt: skip
    domain = None if known is not None else _wider_domain(predictor, grown, remembered, new)
    history = read_history(Path(model) / "history.csv")
    with written_whole(output) as folder:
        save_model(grown, folder)
        (folder / "model.json").write_text(json.dumps(description, indent=2, allow_nan=False))
        write_features(folder, both.some())
        if domain is not None:
            write_domain(folder, domain)
        if (Path(model) / "history.csv").exists():
            shutil.copyfile(Path(model) / "history.csv", folder / "history.csv")
        write_model_report(
            folder / "report.html", output.name, predictor.task, description, history=history,
            extra={"Classes that were added": added_section(result)},
        )  # fmt: skip
    return result


def _check_model(predictor: Predictor, path: str | Path) -> None:
    from tl_keras.builders.head_logits import has_plain_head

    task = predictor.task
    if not task.classifies:
        raise InputError(
            f"{path} was made for --task {task.name}; classes can be added to --task classify"
        )
    if not has_plain_head(predictor.model):
        raise InputError(
            f"{path} has no single last layer to widen, as ensembles have none; add the class to "
            "one of its members, such as fold-1"
        )


def _checked(predictor: Predictor, examples: "Examples", known: "Examples | None") -> "Examples":
    """The new images, one of each content."""
    where = examples.root or "the new data"
    clash = [name for name in examples.class_names if name in predictor.names]
    if clash:
        raise InputError(
            f"the model knows {clash[0]!r} already ({', '.join(predictor.names)}); give a folder "
            f"of new classes alone, or rename it in {where}"
        )
    first = {digest: place for place, digest in reversed(list(enumerate(examples.digests)))}
    shared = set(first) & set(known.digests if known is not None else ())
    if shared:
        raise InputError(
            f"{examples.paths[first[min(shared)]]} stands among the new images and the known ones; "
            "take it away from one of them"
        )
    fresh = examples.subset(sorted(first.values()))
    if (np.asarray(fresh.labels) < 0).any():
        raise InputError(f"an image of {where} has no class; put each into a folder of its class")
    few = [name for name, count in fresh.counts().items() if count < 2]
    if few:
        raise InputError(
            f"class {few[0]!r} of {where} has {fresh.counts()[few[0]]} distinct image; give two or "
            "more, better ten"
        )
    return fresh


def _extraction(predictor: Predictor, verbose: bool) -> Any:
    from tl_keras.training.feature_extraction import FeatureExtraction

    extraction = FeatureExtraction(
        predictor.model, image_size=predictor.image_size, resize=predictor.resize, verbose=verbose
    )
    return lambda examples, what: np.asarray(
        extraction.run(examples, what=what).views[0], "float32"
    )


def _remembered(
    predictor: Predictor, path: Path, known: "Examples | None", extract: Any
) -> ClassFeatures:
    """Features of images of every old class."""
    from tl_keras.builders.classifier import features_model

    if known is None:
        width = features_model(predictor.model).output_shape[-1]
        found = read_features(path, width, len(predictor.names))
        if found is None:
            raise InputError(
                f"{path} does not remember what its classes look like (it was trained before that "
                "was kept, or without held-out images of each); give images of each with --known "
                "DATA, such as some of those it was trained on"
            )
        return found
    known = predictor.task.prepared(known, predictor.names)
    lacking = [name for name, count in known.counts().items() if not count]
    if lacking:
        raise InputError(
            f"{known.root or 'the known data'} has no image of {lacking[0]!r}; the new classes are "
            "told apart from every class the model knows, so give some of each"
        )
    some = known.subset(even_positions(np.asarray(known.labels)))
    rows = extract(some, "known images")
    return ClassFeatures(rows, np.asarray(some.labels), np.ones(len(rows), bool))


def _grown(
    model: "keras.Model", both: ClassFeatures, added: int
) -> tuple["keras.Model", np.ndarray, np.ndarray, np.ndarray]:
    """The wider model; of images left out of its fit truth, probabilities, and old logits."""
    import keras

    from tl_keras.builders.head_logits import before_last, head_logits
    from tl_keras.training.added_classes import columns_for_classes
    from tl_keras.training.closed_form import softmax

    last = model.get_layer("predictions")
    rows = before_last(model)(both.rows)
    logits = head_logits(model)(both.rows)
    kernel, bias = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (last.kernel, last.bias))
    columns = columns_for_classes(rows, logits, both.labels, added)
    wider = keras.layers.Dense.from_config({**last.get_config(), "units": last.units + added})
    grown = keras.Model(model.input, wider(last.input), name=model.name)
    wider.kernel.assign(np.concatenate([kernel, columns.kernel], axis=1))
    wider.bias.assign(np.concatenate([bias, columns.bias]))
    before = logits[columns.rows]
    said = softmax(np.concatenate([before, columns.left_out], axis=1))
    return grown, both.labels[columns.rows], said, before


def _wider_domain(
    predictor: Predictor, grown: "keras.Model", remembered: ClassFeatures, new: ClassFeatures
) -> Domain | None:
    """What the wider model was trained on; None where the old one does not know."""
    from tl_keras.builders.head_logits import head_logits

    held_out = remembered.rows[~remembered.learned]
    if predictor.home is None or not len(held_out):
        return None
    trained = np.concatenate([predictor.home.domain.rows, new.rows])
    return domain_of(trained, held_out, head_logits(grown)(held_out))


def _compared(truths: np.ndarray, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    from tl_keras.evaluation.intervals import proportion

    named = after.argmax(axis=1)
    return {
        "images": len(truths),
        "before": proportion(int((before.argmax(axis=1) == truths).sum()), len(truths)),
        "after": proportion(int((named == truths).sum()), len(truths)),
        "taken": int((named >= before.shape[1]).sum()),
    }
