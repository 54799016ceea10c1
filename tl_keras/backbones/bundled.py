"""Weights that ship with the package: real transfer learning with nothing to download."""

import hashlib
import io
import json
import zipfile
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.errors import InputError

if TYPE_CHECKING:
    import keras

_FOLDER = "tl_keras.pretrained"


def bundled_backbones() -> dict[str, dict[str, Any]]:
    """What ships: backbone name -> ``file``, ``sha256``, ``image_size`` (px) it was trained for.

    Example:
        >>> list(bundled_backbones())  # doctest: +SKIP
        ['mobilenet_v2_035']
    """
    try:
        return json.loads(_read("manifest.json"))
    except ValueError as problem:
        raise InputError("the bundled manifest.json is damaged; reinstall tl_keras") from problem


def load_bundled(base: "keras.Model", name: str) -> None:
    """Load the shipped weights into a base; on any error the base stays as it was.

    The arrays are stored as float16 in the order of ``base.weights`` and load as float32.

    Args:
        base: ``include_top=False`` model of the registry.
        name: Its registry name.

    Raises:
        InputError: No weights ship for this base, or the file is missing or damaged.

    Example:
        >>> load_bundled(build_backbone("mobilenet_v2_035", weights=None), "mobilenet_v2_035")
        ... # doctest: +SKIP
    """
    shipped = bundled_backbones()
    if name not in shipped:
        raise InputError(
            f"no weights for {name} ship with tl_keras, only for {', '.join(shipped)}; choose that "
            'backbone, or weights="imagenet", a path, or None'
        )
    file = shipped[name]["file"]
    encoded = _read(file)
    if hashlib.sha256(encoded).hexdigest() != shipped[name]["sha256"]:
        raise InputError(
            f"the bundled weight file {file} is damaged (its SHA-256 is not the published one); "
            "reinstall tl_keras"
        )
    try:
        with np.load(io.BytesIO(encoded), allow_pickle=False) as stored:
            arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"the bundled weight file {file} cannot be read; reinstall tl_keras"
        ) from problem
    shapes = [tuple(weight.shape) for weight in base.weights]
    if shapes != [array.shape for array in arrays]:
        raise InputError(
            f"the bundled weights of {name} do not fit this model ({len(shapes)} tensors, the file "
            f"holds {len(arrays)}); build it with build_backbone({name!r})"
        )
    for weight, array in zip(base.weights, arrays, strict=True):
        weight.assign(array.astype("float32"))


def _read(file: str) -> bytes:
    try:
        return (resources.files(_FOLDER) / file).read_bytes()
    except (FileNotFoundError, ModuleNotFoundError) as problem:
        raise InputError(
            f"the bundled file {file} is missing from this installation; reinstall tl_keras"
        ) from problem
