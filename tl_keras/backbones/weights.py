"""Where a base's weights come from, and what is said when they cannot be had."""

import contextlib
import re
import socket
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import keras
import numpy as np

from tl_keras.backbones.bundled import load_bundled
from tl_keras.backbones.construction import construct
from tl_keras.backbones.record import Backbone
from tl_keras.backbones.registry import find_backbone, list_backbones
from tl_keras.errors import InputError

_PATIENCE = 15.0  # seconds without an answer from the network before it counts as absent
_FORMATS = (".weights.h5", ".keras", ".h5", ".npz")


def load_weights(base: keras.Model, record: Backbone, weights: str | Path | None) -> None:
    """Give a base its weights.

    Args:
        base: A base of ``build_backbone``.
        record: Its record.
        weights: ``"imagenet"``, ``"bundled"``, None or ``"none"`` (left as they are), or the path
            of a file: ``.weights.h5`` or ``.h5`` (of the base, or one that Keras publishes without
            top), ``.keras`` (the base, or a model of this package that holds it), or ``.npz`` (the
            arrays of ``base.get_weights()`` in order, as ``numpy.savez`` names them).

    Raises:
        InputError: The backbone has no such weights, the file is missing or does not fit, or
            the ImageNet weights are not in Keras' cache and cannot be fetched.

    Example:
        >>> from tl_keras.backbones.base import build_backbone
        >>> from tl_keras.backbones.registry import get_backbone
        >>> base = build_backbone("mobilenet_025", 64, weights=None)
        >>> load_weights(base, get_backbone("mobilenet_025"), "weights.npz")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: weights='weights.npz' is no file; give imagenet, bundled, none \
or the path of a .weights.h5, .keras, .h5 or .npz file
    """
    if weights is None or str(weights) == "none":
        return
    if str(weights) == "imagenet":
        base.set_weights(imagenet_base(record, base.input_shape[1]).get_weights())
        return
    check_weights(record, weights)
    if str(weights) == "bundled":
        load_bundled(base, record.name)
        return
    path = Path(weights)
    try:
        with warnings.catch_warnings():
            # Keras warns once per layer that does not fit, and then raises.
            warnings.filterwarnings("ignore", "Skipping nested container")
            _load_file(base, record, path)
    except InputError:
        raise
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"weights file {path} does not fit {record.name} ({reason}); "
            "give one saved from this backbone"
        ) from error


def check_weights(record: Backbone, weights: str | Path | None) -> None:
    """Find out what can be known of a source of weights without opening it.

    Args:
        record: The backbone.
        weights: As in :func:`load_weights`.

    Raises:
        InputError: No weights of this backbone are bundled, or the path is no weights file.

    Example:
        >>> from tl_keras.backbones.registry import get_backbone
        >>> check_weights(get_backbone("vgg16"), "bundled")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        tl_keras.errors.InputError: no weights of vgg16 are bundled; use backbone ...
    """
    if weights is None or str(weights) in ("none", "imagenet"):
        return
    if str(weights) == "bundled":
        if "bundled" not in record.weights:
            raise InputError(
                f"no weights of {record.name} are bundled; {_bundled_advice(record)}, or another "
                "source of weights"
            )
        return
    path = Path(weights)
    if not path.is_file():
        raise InputError(
            f"weights={str(weights)!r} is no file; give imagenet, bundled, none or the path of a "
            ".weights.h5, .keras, .h5 or .npz file"
        )
    if not path.name.endswith(_FORMATS):
        raise InputError(
            f"weights file {path} has an unknown ending; give {', '.join(_FORMATS[:-1])} "
            f"or {_FORMATS[-1]}"
        )


def imagenet_base(record: Backbone, image_size: int) -> keras.Model:
    """Build a base with ImageNet weights, by Keras' own loader and cache.

    What Keras prints while it downloads goes to standard error.  The network counts as absent
    after 15 seconds without an answer.

    Args:
        record: The backbone.
        image_size: Side of the square image, px.

    Returns:
        The base.

    Raises:
        InputError: The backbone has no ImageNet weights, or the file is neither in the cache nor
            to be fetched, or is damaged.

    Example:
        >>> from tl_keras.backbones.registry import get_backbone
        >>> imagenet_base(get_backbone("mobilenet_v2"), 224).name  # doctest: +SKIP
        'mobilenet_v2'
    """
    if "imagenet" not in record.weights:
        raise InputError(
            f"no ImageNet weights are known for {record.name}; "
            "give weights='none' or the path of a file"
        )
    with _patience(), contextlib.redirect_stdout(sys.stderr):
        try:
            return construct(record, image_size, "imagenet")
        except InputError:
            raise
        except Exception as error:
            raise _explained(error, record, image_size) from error


def _load_file(base: keras.Model, record: Backbone, path: Path) -> None:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            base.set_weights([arrays[f"arr_{i}"] for i in range(len(arrays.files))])
    elif path.suffix == ".keras":
        other = find_backbone(keras.models.load_model(path, compile=False))
        if other.name != record.name:
            raise InputError(
                f"weights file {path} holds {other.name}, not {record.name}; give one saved from "
                "this backbone"
            )
        base.set_weights(other.get_weights())
    elif record.first_layer is not None and not path.name.endswith(".weights.h5"):
        # A published file of this family holds the preprocessing that construct() cuts away.
        base.set_weights(construct(record, base.input_shape[1], str(path)).get_weights())
    else:
        base.load_weights(path)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Keras' downloader sets no time limit, and behind a silent firewall waits for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _explained(error: Exception, record: Backbone, image_size: int) -> Exception:
    """The error as one line with a remedy; the error itself if no weights file was at fault."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    # Which file it was, only Keras' own frames know: the families name and place theirs freely.
    sought = _local_of(error.__traceback__, "get_file", "download_target")
    if sought is None:
        damaged = _local_of(error.__traceback__, None, "weights_path")
        if damaged is None:
            return error
        return InputError(
            f"the ImageNet weights of {record.name} at {damaged} cannot be read ({reason}); "
            "delete the file and try again with a network"
        )
    path = Path(sought)
    remedies = [f"put the file {path.name} at {path}", _bundled_advice(record)]
    others = path.parent.glob(path.name.replace(f"_{image_size}_", "_*_"))
    sizes = [re.search(r"_(\d+)_(?:tf_)?no_top", other.name) for other in others]
    if any(sizes):
        present = " or ".join(sorted({match[1] for match in sizes if match}, key=int))
        remedies.append(f"use image_size={present}, whose file is there")
    return InputError(
        f"no ImageNet weights for {record.name} at {image_size} px: {path} is not there and could "
        f"not be fetched ({reason}); {', or '.join(remedies)}, or weights='none'"
    )


def _bundled_advice(record: Backbone) -> str:
    if "bundled" in record.weights:
        return "use weights='bundled'"
    names = " or ".join(list_backbones(weights="bundled"))
    return f"use backbone {names} with weights='bundled'"


def _local_of(trace: TracebackType | None, function: str | None, name: str) -> str | None:
    found = None
    while trace is not None:
        frame = trace.tb_frame
        if function in (None, frame.f_code.co_name) and isinstance(frame.f_locals.get(name), str):
            found = frame.f_locals[name]
        trace = trace.tb_next
    return found
