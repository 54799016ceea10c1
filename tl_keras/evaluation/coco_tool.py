"""COCO's own measure, which boxes and things are judged by."""

import importlib.util

from tl_keras.errors import InputError


def need_pycocotools() -> None:
    """Raise if what measures average precision is missing.

    Raises:
        InputError: ``pycocotools`` is not installed.
    """
    if importlib.util.find_spec("pycocotools") is None:
        raise InputError(
            "average precision is measured by pycocotools, which is not installed; "
            "pip install 'tl-keras[detection]'"
        )
