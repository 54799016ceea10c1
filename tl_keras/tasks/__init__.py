"""Task records: what differs between kinds of things to learn, each in one small file.

Everything else, ``tl_keras.fit``, the artefact, the report and the commands, goes through the
record and asks for no task by name.
"""

import importlib
from typing import Any

_PUBLIC = {
    "Task": "task",
    "TASKS": "registry",
    "get_task": "registry",
    "task_of": "registry",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
