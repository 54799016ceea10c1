"""Which options a reader takes, of those that a command or a task has for all of them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tl_keras.data.reading.formats import reader_of
from tl_keras.errors import InputError


def reader_options(
    format: str | Callable,
    wanted: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Sorts out what a reader is given.

    Args:
        format: of :data:`tl_keras.data.reading.formats.FORMATS`, or its reader.
        wanted: options that were asked for by name; one of ``None`` was not.
        defaults: options that would do good where a reader takes them, such as
            ``{"background": "background"}`` for segmentation; others pass them over.

    Returns:
        What to call the reader with: its share of the defaults, and all that was wanted.

    Raises:
        InputError: the reader takes no such option, or there is no such format.

    Example:
        >>> reader_options("coco", {"background": None}, {"background": "nothing", "tags": "x"})
        {'background': 'nothing'}
        >>> reader_options("voc", {"background": "nothing"})
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: data of the format voc takes no background; it takes \
annotations, images, progress, strict (see from_voc)
    """
    reader = reader_of(format) if isinstance(format, str) else format
    parameters = list(inspect.signature(reader).parameters.values())[1:]
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        known = {*wanted, *(defaults or {})}  # an archive hands on what it does not know
    else:
        known = {one.name for one in parameters}
    given = {name: value for name, value in wanted.items() if value is not None}
    for name in given:
        if name not in known:
            what = f"data of the format {format}" if isinstance(format, str) else reader.__name__
            raise InputError(
                f"{what} takes no {name}; it takes {', '.join(sorted(known))} "
                f"(see {reader.__name__})"
            )
    suited = {name: value for name, value in (defaults or {}).items() if name in known}
    return suited | given
