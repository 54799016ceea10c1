"""What features depend on, as one key: nothing that would make them others is left out."""

import functools
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import keras
import numpy as np
import PIL
import simplejpeg

import tl_keras.data
from tl_keras.data.decoding import DECODER, open_regular
from tl_keras.data.scanning import workers

_Stamp = tuple[int, int, int, int]


class Contents(NamedTuple):
    """What a data set holds at this moment.

    Attributes:
        digest: SHA-256, in hexadecimal, of the bytes of all files or arrays, in order.
        stamps: Of each file size, times of change (of the content and of the entry) and number on
            its disk; empty for arrays.
    """

    digest: str
    stamps: tuple[_Stamp, ...] = ()


def read_contents(data: Any) -> Contents:
    """Hash every file now; what a scan found earlier, or a time stamp, is not relied on.

    Args:
        data: ``tl_keras.data.Examples``, or arrays ``(images, labels)``, of which the images count.

    Returns:
        The contents, in the order of the data (augmentation depends on the position).

    Raises:
        InputError: A file cannot be read any more.

    Example:
        >>> read_contents((np.zeros((2, 8, 8, 3), "uint8"), [0, 1])).stamps
        ()
    """
    total = hashlib.sha256()
    if not hasattr(data, "paths"):
        images = np.ascontiguousarray(data[0])
        total.update(f"{images.dtype.str} {images.shape}".encode())
        total.update(images.view(np.uint8).reshape(-1))
        return Contents(total.hexdigest())
    with ThreadPoolExecutor(workers()) as pool:
        stamps = []
        for digest, stamp in pool.map(_read_file, data.paths):
            total.update(digest)
            stamps.append(stamp)
    return Contents(total.hexdigest(), tuple(stamps))


def still_the_same(data: Any, contents: Contents) -> bool:
    """Whether the data hold what they held: files whose stamps changed are hashed again.

    The time of the entry's change (ctime) cannot be set back by a program as that of the content.

    Args:
        data: As given to :func:`read_contents`.
        contents: What that returned.
    """
    if not hasattr(data, "paths"):
        return read_contents(data) == contents
    try:
        now = tuple(_stamp(os.stat(path)) for path in data.paths)  # noqa: PTH116 (100,000 of them)
        return now == contents.stamps or read_contents(data).digest == contents.digest
    except (OSError, ValueError):
        return False


def model_digest(model: keras.Model) -> str:
    """Hash a model's architecture, dtypes and weights.

    Names of layers do not enter (Keras numbers them through a process), nor do states of random
    generators, which inference does not ask.

    Args:
        model: A functional model.

    Returns:
        SHA-256 in hexadecimal.

    Example:
        >>> image = keras.Input((4,))
        >>> model = keras.Model(image, keras.layers.Dense(2)(image))
        >>> len(model_digest(model))
        64
    """
    total = hashlib.sha256()
    total.update(json.dumps(_anonymous(model.get_config()), sort_keys=True, default=str).encode())
    for weight in model.weights:
        values = np.ascontiguousarray(weight.numpy())
        total.update(f"{values.dtype} {values.shape}".encode())
        total.update(values.reshape(-1).view(np.uint8))
    return total.hexdigest()


def feature_key(
    contents: Contents,
    model: str,
    *,
    image_size: int,
    resize: str,
    augment: str,
    seed: int,
    view: int,
    runtime: Sequence[str],
) -> str:
    """The name under which features are kept.

    Beside the arguments, the versions of Keras, its backend and the decoders enter, and the code
    of this package that turns files into pixels.

    Args:
        contents: Of the data.
        model: Digest of the model from images to features; its preprocessing is a part of it.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        augment: Name of the augmentation preset.
        seed: Of the augmentation.
        view: Which epoch of the augmentation.
        runtime: What computes, its version, its precision.

    Returns:
        SHA-256 in hexadecimal.
    """
    plain = augment == "none"
    parts = {
        "data": contents.digest,
        "model": model,
        "pixels": [DECODER, image_size, resize, _code_of_the_pixels()],
        "augmentation": None if plain else [augment, seed, view],
        "runtime": list(runtime),
        "versions": _versions(),
        "dtype": "float32",
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_file(path: str) -> tuple[bytes, _Stamp]:
    with open_regular(path) as file:
        stamp = _stamp(os.fstat(file.fileno()))
        return hashlib.file_digest(file, hashlib.blake2b).digest(), stamp


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _anonymous(config: Any) -> Any:
    """A model's config in which layers are numbered in order instead of named."""
    numbers: dict[str, str] = {}

    def number(part: Any) -> Any:
        if isinstance(part, str):
            return numbers.setdefault(part, f"#{len(numbers)}")
        return [number(value) for value in part] if isinstance(part, list | tuple) else part

    def renamed(part: Any, of_layer: bool = False) -> Any:
        if isinstance(part, list | tuple):
            return [renamed(value) for value in part]
        if not isinstance(part, dict):
            return part
        # A "name" stands for other things, too, such as a dtype policy.
        of_layer = of_layer or bool(part.keys() & {"trainable", "inbound_nodes"})
        places = {"keras_history", "input_layers", "output_layers", *(["name"] if of_layer else [])}
        return {
            key: number(value)
            if key in places
            else renamed(value, key == "config" and "inbound_nodes" in part)
            for key, value in part.items()
        }

    return renamed(config)


@functools.cache
def _code_of_the_pixels() -> str:
    total = hashlib.sha256()
    room = Path(tl_keras.data.__file__).parent
    for file in sorted([*room.glob("*.py"), *(room / "augment").glob("*.py")]):
        total.update(file.relative_to(room).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


@functools.cache
def _versions() -> list[str]:
    loaded = (tl_keras, keras, sys.modules[keras.backend.backend()], np, PIL, cv2, simplejpeg)
    return [f"{module.__name__} {module.__version__}" for module in loaded]
