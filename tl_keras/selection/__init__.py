"""Choosing what to train on: how well each base suits the data, before any training.

The names below are imported on first use.

Example:
    >>> from tl_keras.selection import log_me
    >>> features = np.concatenate([np.eye(2)] * 10)
    >>> log_me(features, np.arange(20) % 2) > log_me(features, np.arange(20) // 10)
    True
"""

import importlib
from typing import Any

_PUBLIC = {
    "Advice": "advice",
    "Candidate": "candidates",
    "Compared": "comparison",
    "Comparison": "comparison",
    "Ranked": "ranking",
    "Ranking": "ranking",
    "Tuning": "tuning_result",
    "advise": "advising",
    "bases_at_hand": "candidates",
    "compare": "comparing",
    "h_score": "class_separation",
    "log_me": "log_evidence",
    "nearest_vote": "neighbour_vote",
    "rank": "rank_bases",
    "tune": "tuning",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.selection' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.selection.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
