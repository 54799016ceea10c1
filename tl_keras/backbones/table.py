"""The backbones with what was measured of them."""

import json
from functools import lru_cache
from importlib import resources
from typing import Any

from tl_keras.backbones.registry import get_backbone, list_backbones


def backbone_table(**filters: Any) -> list[dict[str, Any]]:
    """One row per backbone.

    Args:
        **filters: As in ``list_backbones``.

    Returns:
        Rows with ``name``, ``family``, ``parameters``, ``size_mb`` (float32 weights, 10^6 bytes),
        ``latency_ms`` (one image at ``image_size`` on a CPU, see :func:`measurement_method`; None
        if never measured), ``image_size`` and ``minimum_size`` (px), ``weights``, ``use`` and
        ``licence``.

    Raises:
        InputError: A filter's value is unknown.

    Example:
        >>> row = backbone_table(family="Xception")[0]
        >>> row["parameters"], row["size_mb"]
        (20861480, 83.4)
    """
    latencies = _measurements()["latency_ms"]
    return [
        {
            "name": record.name,
            "family": record.family,
            "parameters": record.parameters,
            "size_mb": None if record.parameters is None else round(record.parameters * 4 / 1e6, 1),
            "latency_ms": latencies.get(record.name),
            "image_size": record.image_size,
            "minimum_size": record.minimum_size,
            "weights": list(record.weights),
            "use": record.use,
            "licence": record.licence,
        }
        for record in map(get_backbone, list_backbones(**filters))
    ]


def measurement_method() -> str:
    """How the latencies of :func:`backbone_table` were measured, in one line.

    Returns:
        Machine class, threads, batch size, statistic and versions.

    Example:
        >>> "batch 1" in measurement_method()
        True
    """
    return _measurements()["method"]


@lru_cache(maxsize=1)
def _measurements() -> dict[str, Any]:
    source = resources.files("tl_keras.backbones") / "measurements.json"
    return json.loads(source.read_text(encoding="utf-8"))
