"""Which runtime computes features: the quickest that is installed, agrees with Keras, and pays."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tl_keras.data.scanning import workers
from tl_keras.errors import InputError
from tl_keras.training.extractor_runtimes import Run, installed, keras_run, litert_run, openvino_run

RUNTIMES = ("auto", "keras", "openvino", "litert")
PRECISIONS = ("float32", "bfloat16")

# (lowest cosine of a row, largest difference as a part of the largest feature)
_TOLERANCE = {"float32": (0.9999, 1e-2), "bfloat16": (0.995, 0.1)}

# Multiply-adds a core has to have before it for a conversion to pay; see preferred_runtime.
_PAYS = 2.5e11


@dataclass(frozen=True)
class Extractor:
    """What computes features.

    Attributes:
        runtime: ``"keras"``, ``"openvino"`` or ``"litert"``.
        precision: ``"float32"``, ``"bfloat16"``, or what the Keras model computes in.
        run: From images (B, S, S, 3), 0..255, to features (B, D).
    """

    runtime: str
    precision: str
    run: Run


def check_runtime(runtime: str, precision: str) -> None:
    """Refuse what cannot run here.

    Args:
        runtime: One of ``RUNTIMES``.
        precision: One of ``PRECISIONS``.

    Raises:
        InputError: Unknown, not installed, or not for this backend or precision.

    Example:
        >>> check_runtime("auto", "float32")
    """
    for name, value, known in (
        ("runtime", runtime, RUNTIMES),
        ("precision", precision, PRECISIONS),
    ):
        if value not in known:
            raise InputError(f"{name}={value!r} is unknown; give one of {', '.join(known)}")
    if runtime != "auto" and installed(runtime) is None:
        raise InputError(
            f"features cannot be computed by {runtime}: it is not installed, or Keras runs on "
            f"{keras.backend.backend()} instead of TensorFlow; give runtime='auto', or "
            "pip install 'tl-keras[openvino]'"
        )
    if precision == "bfloat16" and (runtime not in ("auto", "openvino") or not _has("openvino")):
        raise InputError(
            "features in bfloat16 are computed by OpenVINO only, on the TensorFlow backend; give "
            "precision='float32', or pip install 'tl-keras[openvino]'"
        )


def preferred_runtime(features: keras.Model, images: int, precision: str = "float32") -> str:
    """What ``"auto"`` tries first: a rule of known quantities, so that a resumed run does the same.

    A conversion takes 2 to 10 seconds, during which Keras would have computed some hundred images
    already.  Measured on two quiet cores: MobileNetV2 0.35 at 224 px (58 million multiply-adds),
    Keras 359 images a second, LiteRT 878, OpenVINO 1,085; MobileNetV2 1.0 (299 million): 117, 225
    and 273 (``benchmarks/feature_cache.py``).  Break-even lies at 600 to 1,300 images there; the
    rule asks for two to six times that, 2.5e11 multiply-adds per core, for slower machines.
    LiteRT comes with TensorFlow and serves where OpenVINO is not installed.  On a GPU, in half
    precision and on other backends Keras computes.

    Args:
        features: The model from images to features.
        images: How many will be computed, views counted.
        precision: ``"bfloat16"`` is OpenVINO's.

    Returns:
        ``"keras"``, ``"openvino"`` or ``"litert"``.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> pooled = keras.layers.GlobalAveragePooling2D()(image)
        >>> preferred_runtime(keras.Model(image, pooled), 100)
        'keras'
    """
    if precision == "bfloat16":
        return "openvino"
    enough = images * multiply_adds(features) >= _PAYS * workers()
    if not enough or not _on_cpu(features):
        return "keras"
    return next((name for name in ("openvino", "litert") if _has(name)), "keras")


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one image: each kernel's size times the places it is applied at.

    Args:
        model: A functional model; nested ones are gone through.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> multiply_adds(keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(image)))
        6912
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
            continue
        kernels = sum(int(np.prod(w.shape)) for w in layer.weights if len(w.shape) > 1)
        if kernels:
            places = [size or 1 for size in layer.output.shape[1:-1]]
            total += kernels * int(np.prod(places))
    return total


def agreement(expected: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """How well two arrays of features agree.

    Args:
        expected: (N, D), of Keras.
        rows: (N, D).

    Returns:
        The lowest cosine of a row with its counterpart (1 where either is all zeros: the difference
        tells), and the largest absolute difference as a part of the largest expected feature.  NaN
        where either has one.

    Example:
        >>> agreement(np.array([[3.0, 4.0]]), np.array([[3.0, 4.2]]))
        (0.9997..., 0.05...)
    """
    a, b = expected.astype(np.float64), rows.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = np.where(norms == 0, 1.0, (a * b).sum(-1) / np.where(norms == 0, 1.0, norms))
    largest = np.abs(a).max()
    difference = np.abs(a - b).max()
    return float(cosine.min()), float(difference / largest if largest else difference)


def agrees(expected: np.ndarray, rows: np.ndarray, precision: str) -> bool:
    """Whether features are the same within the tolerance of a precision.

    float32: cosine 0.9999 or more, difference at most 0.01 of the largest feature; others 0.995
    and 0.1.

    Args:
        expected: (N, D), of Keras.
        rows: (N, D).
        precision: What computed the rows.
    """
    lowest, most = _TOLERANCE.get(precision, _TOLERANCE["bfloat16"])
    cosine, difference = agreement(expected, rows)
    return cosine >= lowest and difference <= most


def extractor_for(
    features: keras.Model,
    runtime: str = "auto",
    sample: Callable[[], Any] | None = None,
    *,
    images: int = 0,
    precision: str = "float32",
    verbose: bool = True,
) -> Extractor:
    """Make what computes features; a runtime that fails or disagrees gives way to Keras.

    Args:
        features: From images to features, without augmentation (``features_model``).
        runtime: One of ``RUNTIMES``; ``"auto"`` takes :func:`preferred_runtime`.
        sample: Returns a few real images (B, S, S, 3), 0..255, to compare with Keras on; needed
            for any runtime but Keras.
        images: How many images will be computed; asked by ``"auto"``.
        precision: ``"float32"``, or by choice ``"bfloat16"`` (OpenVINO).
        verbose: Whether a line on standard error says what was chosen and how well it agrees.

    Returns:
        The extractor.  Weights are part of a converted model: make a new one when they change.

    Raises:
        InputError: The runtime cannot be used here.

    Example:
        >>> extractor = extractor_for(features_model(model))  # doctest: +SKIP
        >>> extractor.run(images).shape  # doctest: +SKIP
        (32, 1280)
    """
    check_runtime(runtime, precision)
    if runtime == "auto":
        runtime = preferred_runtime(features, images, precision)
    own = Extractor("keras", features.output.dtype, keras_run(features))
    if runtime == "keras":
        return own
    pictures = np.asarray(sample())
    expected = np.asarray(keras.ops.convert_to_numpy(features(pictures, training=False)))
    try:
        run = openvino_run(features, precision) if runtime == "openvino" else litert_run(features)
        rows = run(pictures)
    except Exception as error:  # a converter may fail in any way; Keras has not
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        print(f"  features by Keras: {runtime} failed ({reason})", file=sys.stderr)
        return own
    cosine, difference = agreement(expected, rows)
    figures = f"cosine {cosine:.6f}, largest difference {difference:.1e} of the largest feature"
    if not agrees(expected, rows, precision):
        print(f"  features by Keras: {runtime} disagrees ({figures})", file=sys.stderr)
        return own
    if verbose:
        print(f"  features by {runtime} in {precision}: agrees, {figures}", file=sys.stderr)
    return Extractor(runtime, precision, run)


def _has(runtime: str) -> bool:
    return installed(runtime) is not None


def _on_cpu(features: keras.Model) -> bool:
    if keras.backend.backend() != "tensorflow" or features.output.dtype != "float32":
        return False
    import tensorflow as tf

    return not (tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))
