"""SavedModel: TensorFlow's own format, for TensorFlow Serving and ``tf.saved_model.load``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.deployment.signature import INPUT, Signature

_KEY = "serving_default"


def write(signature: Signature, path: Path) -> None:
    """Write a folder whose ``serving_default`` takes and gives what the signature says."""
    import tensorflow as tf

    tf.saved_model.save(signature.module, path, signatures={_KEY: signature.function})


def runner(path: Path) -> Callable[[np.ndarray], dict[str, Any]]:
    """From images, float32 (batch, S, S, 3), to outputs by name, run by TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(images: np.ndarray) -> dict[str, Any]:
        # Through ``loaded``, for its variables die with it.
        found = loaded.signatures[_KEY](**{INPUT: tf.constant(images)})
        return {name: tensor.numpy() for name, tensor in found.items()}

    return run
