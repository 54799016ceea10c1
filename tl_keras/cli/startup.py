"""Start Keras without the C++ chatter of its backend."""

import contextlib
import os
import sys
from collections.abc import Iterator


def start_keras() -> str:
    """Import Keras, let its backend find the devices, and name what training will run on.

    TensorFlow writes a dozen lines to standard error before any of its log settings apply; they
    would bury ours.  An error of the import itself is raised as ever.
    """
    backend, version = import_keras()
    if backend != "tensorflow":
        return f"Keras {version} on {backend}"
    with standard_error_to_nowhere():
        import tensorflow as tf

        kinds = [device.device_type for device in tf.config.list_logical_devices()]
    found = sorted(set(kinds) - {"CPU"})
    shown = ", ".join(f"{kinds.count(kind)} {kind}" for kind in found)
    return f"TensorFlow on {shown or f'CPU ({os.cpu_count()} cores; no GPU found)'}"


def import_keras() -> tuple[str, str]:
    """The same, but no device is taken; returns the names of the backend and of the version."""
    with standard_error_to_nowhere():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # "5 out of the last 5 calls triggered retracing": a model, a stage is traced once.
            tf.get_logger().setLevel("ERROR")
    return keras.backend.backend(), keras.__version__


@contextlib.contextmanager
def standard_error_to_nowhere() -> Iterator[None]:
    """Within, nothing is written to standard error, by C++ neither."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
