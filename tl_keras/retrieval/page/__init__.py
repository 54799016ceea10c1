"""A page to look at a catalogue with: :class:`SearchServer`, from the standard library alone.

The names below are imported on first use.

Example:
    >>> from tl_keras.retrieval import open_catalogue
    >>> from tl_keras.retrieval.page import SearchServer
    >>> with SearchServer(open_catalogue("shoes")) as server:  # doctest: +SKIP
    ...     print(server.url)
    ...     server.serve_forever()
"""

import importlib
from typing import Any

_PUBLIC = {"SearchServer": "server"}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.retrieval.page' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.retrieval.page.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
