"""What in images speaks for what a trained model says of them."""

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_keras.data.decoding import load_image
from tl_keras.errors import InputError
from tl_keras.evaluation.explaining.methods import METHODS, explain, find_method


class Explanation(NamedTuple):
    """What in one image speaks for one class.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        class_name: The class, or tag.
        probability: Of it, 0..1.
        maps: By method, float32 (S, S), 0..1, in the model's square;
            ``frame_of(source, S, predictor.resize).mask(map, 0)`` (``tl_keras.data.framing``) lays
            it into the image's own px.
    """

    source: str
    class_name: str
    probability: float
    maps: dict[str, np.ndarray]


def check_explainable(
    predictor: Any, methods: Sequence[str], class_name: str | None = None
) -> None:
    """Raise unless a model can be explained by these methods for that class.

    Raises:
        InputError: It has no class head, or there is no such method or class.
    """
    if not predictor.task.explains:
        raise InputError(
            f"explanations are for --task classify, tag and localize; {predictor.folder} was made "
            f"for --task {predictor.task.name}"
        )
    if isinstance(methods, str) or not methods:
        raise InputError(f"methods={methods!r}; give a list of some of {', '.join(METHODS)}")
    for method in methods:
        find_method(method)
    if class_name is not None and class_name not in predictor.names:
        near = difflib.get_close_matches(class_name, predictor.names, n=3, cutoff=0.5)
        known = near or predictor.names[:12]
        raise InputError(
            f"the model knows no class {class_name!r}; "
            f"{'did you mean' if near else 'it knows'} {', '.join(known)}"
        )


def explained(
    predictor: Any, sources: Sequence[Any], names: Sequence[str], methods: Sequence[str],
    class_name: str | None,
) -> list[Explanation]:  # fmt: skip
    """As :meth:`tl_keras.artefact.predictor.Predictor.explain`, of sources with names."""
    check_explainable(predictor, methods, class_name)
    images = [load_image(source, predictor.image_size, predictor.resize) for source in sources]
    answers = predictor.answers(names, predictor.raw(images))
    rows = [answer.probabilities for answer in answers]
    wanted = [class_name or max(row, key=row.__getitem__) for row in rows]
    classes = np.array([predictor.names.index(name) for name in wanted])
    maps = {name: explain(predictor.model, np.stack(images), classes, name) for name in methods}
    return [
        Explanation(
            name, wanted[i], rows[i][wanted[i]], {method: of[i] for method, of in maps.items()}
        )
        for i, name in enumerate(names)
    ]
