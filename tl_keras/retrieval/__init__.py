"""Search among vectors: the index in a folder, and the same verbs on PostgreSQL.

The names below are imported on first use.

Example:
    >>> from tl_keras.retrieval import VectorIndex
    >>> index = VectorIndex.create("shoes", dimension=256, fingerprint="4f1c")  # doctest: +SKIP
    >>> index.add(["a", "b"], vectors, [{"price": 20}, {"price": 35}])  # doctest: +SKIP
    >>> index.search(query, k=5, where={"price": {"<": 30}})  # doctest: +SKIP
"""

import importlib
from typing import Any

_PUBLIC = {
    "Catalogue": "catalogue",
    "Embedder": "embedding",
    "Event": "events",
    "FaceGallery": "faces",
    "Hit": "store",
    "PostgresIndex": "postgres",
    "Recommender": "recommendation",
    "Suggestion": "recommendation",
    "VectorIndex": "vector_index",
    "VectorStore": "store",
    "evaluate_catalogue": "evaluating",
    "index_catalogue": "catalogue",
    "open_catalogue": "catalogue",
    "open_embedder": "embedding",
    "read_catalogue": "catalogue_reading",
    "read_events": "events",
    "replay": "replaying",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.retrieval' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.retrieval.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
