"""How a signal is rendered: a frozen record that checks itself, and lies beside the pictures."""

import importlib
import json
import os
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from tl_keras.errors import InputError

#: Stands beside the pictures; written with them.
FILE = "conversion.json"

_HOMES = {
    "sound": ("tl_keras.convert.sound_image", "SoundImage"),
    "series": ("tl_keras.convert.series_image", "SeriesImage"),
    "tracks": ("tl_keras.convert.track_image", "TrackImage"),
    "pages": ("tl_keras.convert.page_image", "PageImage"),
}


def setting(
    default: Any,
    text: str,
    *,
    of: type | None = None,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a :class:`Settings`, with its range and the line that ``--help`` shows.

    Args:
        default: the value where nothing is given; ``None`` is then always allowed.
        text: what it means, with its unit.
        of: ``int``, ``float`` or ``str``; by default the type of ``default``.
        low: smallest value allowed.
        above: the value must be larger than this.
        high: largest value allowed.
        choices: the only values allowed.

    Returns:
        A dataclass field.

    Example:
        >>> setting(224, "side of the square, px", low=16).metadata["low"]
        16
    """
    meta = {"text": text, "of": of or type(default), "low": low, "above": above, "high": high}
    return field(default=default, metadata=meta | {"choices": choices})


@dataclass(frozen=True)
class Settings:
    """Base of the four records; every field made by :func:`setting` is checked on creation.

    Raises:
        InputError: a value is of the wrong type or out of its range.

    Example:
        >>> from tl_keras.convert import SoundImage
        >>> SoundImage(seconds=-1.0)
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: SoundImage: seconds=-1.0 is not a number above 0 up to 3,600
    """

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for one in settable(type(self)):
            value = getattr(self, one.name)
            if value is None and one.default is None:
                continue
            if not _fits(value, one.metadata):
                raise InputError(
                    f"{type(self).__name__}: {one.name}={value!r} is not {_wanted(one.metadata)}"
                )

    def to_json(self) -> dict[str, Any]:
        """All fields, and the kind: what :func:`load_settings` reads."""
        return {"kind": self.kind, **asdict(self)}


def settable(record: type[Settings]) -> list[Field]:
    """The fields that a person may choose, as opposed to those that follow from the data.

    Example:
        >>> from tl_keras.convert import SoundImage
        >>> [one.name for one in settable(SoundImage)][0]
        'size'
    """
    return [one for one in fields(record) if "text" in one.metadata]


def _fits(value: Any, meta: Any) -> bool:
    if meta["of"] is str:
        return isinstance(value, str) and (not meta["choices"] or value in meta["choices"])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if meta["of"] is int and value != int(value):
        return False
    low, above, high = meta["low"], meta["above"], meta["high"]
    return (
        abs(value) < float("inf")  # not NaN either
        and (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
    )


def _wanted(meta: Any) -> str:
    if meta["choices"]:
        return f"one of {', '.join(meta['choices'])}"
    words = "a whole number" if meta["of"] is int else "a number"
    parts = {"above": "above", "low": "from", "high": "up to"}
    bounds = [f"{word} {meta[key]:,.10g}" for key, word in parts.items() if meta[key] is not None]
    return " ".join([words, *bounds])


def load_settings(folder: str | os.PathLike) -> Settings:
    """Reads how an earlier conversion rendered, to render new signals in the same way.

    Args:
        folder: where the pictures of that conversion lie (or its ``conversion.json``).

    Returns:
        A ``SoundImage``, ``SeriesImage``, ``TrackImage`` or ``PageImage``.

    Raises:
        InputError: there is no such file, or it is not one of ours.

    Example:
        >>> load_settings("no/such/folder")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such/folder/conversion.json cannot be read; give a folder \
that `tl-keras convert` wrote
    """
    path = Path(folder)
    path = path if path.name == FILE else path / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        module, name = _HOMES[values.pop("kind")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path} cannot be read; give a folder that `tl-keras convert` wrote"
        ) from None
    record = getattr(importlib.import_module(module), name)
    known = {one.name for one in fields(record)}
    unknown = sorted(set(values) - known)
    lacking = [
        one.name for one in fields(record) if one.name not in values and one.default is MISSING
    ]
    if unknown or lacking:
        raise InputError(
            f"{path} is not of this version ({', '.join(unknown + lacking)}); convert anew"
        )
    return record(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def chosen(
    record: type[Settings], image: Settings | None, like: str | os.PathLike | None
) -> Settings:
    """The settings to use: those given, those of an earlier conversion, or the defaults.

    Raises:
        InputError: both are given, or the earlier conversion was of another kind.

    Example:
        >>> from tl_keras.convert import SoundImage
        >>> chosen(SoundImage, None, None).size
        224
    """
    if like is None:
        return record() if image is None else image
    if image is not None:
        raise InputError("give settings or like=, not both: like= brings its own settings")
    found = load_settings(like)
    if not isinstance(found, record):
        raise InputError(f"{like} holds a conversion of {found.kind}, not of {record.kind}")
    return found
