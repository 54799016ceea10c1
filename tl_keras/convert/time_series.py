"""Time series and sensor recordings to pictures, as examples."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tl_keras.convert.series_files import SUFFIXES, Series, read_series
from tl_keras.convert.series_image import SeriesImage
from tl_keras.convert.settings import chosen
from tl_keras.convert.sources import find_sources
from tl_keras.convert.writing import Picture, check_output, write_examples
from tl_keras.data.examples import PARTS, Examples, Skipped
from tl_keras.errors import InputError


def series(
    source: str | os.PathLike | Sequence[str | os.PathLike] | Sequence[np.ndarray] | np.ndarray,
    out: str | os.PathLike,
    image: SeriesImage | None = None,
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    splits: Sequence[str | None] | None = None,
    names: str | None = None,
    columns: Sequence[str] | None = None,
    like: str | os.PathLike | None = None,
    progress: bool = True,
) -> Examples:
    """Converts series of one or many channels to pictures.

    Series may differ in length: each fills its picture.  Those with missing values (NaN, ``?``),
    with too few values, or with another number of channels than the first are left out.

    Args:
        source: a folder or files of series (:func:`tl_keras.convert.series_files.read_series`), or
            an array (N, n) or (N, n, C), or a list of arrays (n,) or (n, C): time first, as in
            Keras.
        out: an empty or new folder for the pictures.
        image: how to render; by default ``SeriesImage()``.
        labels: for arrays, the class of each.
        groups: for arrays, the group of each (person, machine).
        splits: for arrays, the part of each, ``"train"``, ``"val"``, ``"test"`` or ``None``.
        names: for files, where class, group and part stand in the paths; see
            :func:`tl_keras.convert.sources.find_sources`.
        columns: for CSV, the channels wanted.
        like: the folder of an earlier conversion, whose settings (and limits) are used.
        progress: show a bar on standard error when it takes long.

    Returns:
        The examples.  ``groups``: as given, else the series where it was cut into windows;
        ``extra["offset"]``: row in the file (from 1; 0: the file is one series), then, if cut, the
        first sample: ``"12:300"``.

    Raises:
        InputError: nothing to convert, or an argument is unusable.

    Example:
        >>> tl.convert.series("GunPoint/", "out/", SeriesImage("gasf"))  # doctest: +SKIP
    """
    image = chosen(SeriesImage, image, like)
    found = load_series(
        source, labels=labels, groups=groups, splits=splits, names=names, columns=columns
    )
    found, image = usable(found, image)
    root = check_output(out)
    where = str(source) if isinstance(source, (str, os.PathLike)) else ""
    return write_examples(root, _pictures(found, image), image, source=where, progress=progress)


def load_series(
    source: object,
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    splits: Sequence[str | None] | None = None,
    names: str | None = None,
    columns: Sequence[str] | None = None,
) -> list[Series | Skipped]:
    """Reads what :func:`series` converts; the arguments are the same.

    Returns:
        Series and what was skipped, in order.

    Raises:
        InputError: nothing there, or arguments for arrays with files or the reverse.

    Example:
        >>> load_series(np.zeros((2, 50)), labels=["a", "b"])[1].label
        'b'
    """
    given = {"labels": labels, "groups": groups, "splits": splits}
    if _is_arrays(source):
        return _from_arrays(source, given)
    unfit = [name for name, value in given.items() if value is not None]
    if unfit:
        raise InputError(f"{unfit[0]} goes with arrays; for files use names='{{label}}/*'")
    sources = find_sources(source, SUFFIXES, names)
    archived = {Path(one.path).with_suffix("") for one in sources if _suffix(one.path) == ".ts"}
    found: list[Series | Skipped] = []
    for one in sources:
        if _suffix(one.path) != ".ts" and Path(one.path).with_suffix("") in archived:
            found.append(Skipped(one.path, "the same set as the .ts file beside it"))
        else:
            found += read_series(one, columns)
    return found


def usable(
    found: Sequence[Series | Skipped], image: SeriesImage
) -> tuple[list[Series | Skipped], SeriesImage]:
    """Leaves out what cannot be rendered, and finds the limits of the training part.

    Returns:
        Series and what was skipped, in order, and the settings with their limits.

    Raises:
        InputError: more channels than colours, where channels are to be colours.

    Example:
        >>> [type(one).__name__ for one in usable(load_series(np.zeros((1, 1))), SeriesImage())[0]]
        ['Skipped']
    """
    read = [one for one in found if isinstance(one, Series)]
    width = len(image.limits) if image.limits else (read[0].values.shape[1] if read else 0)
    if image.channels == "rgb" and width > 3:
        raise InputError(f"{width} channels are more than three colours; take channels='tiles'")
    checked = [_checked(one, width, image.shortest) for one in found]
    sound = [one for one in checked if isinstance(one, Series)]
    if sound:
        train = [one.values for one in sound if one.split == "train"]
        image = image.fitted(train or [one.values for one in sound])
    return checked, image


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _is_arrays(source: object) -> bool:
    if isinstance(source, (str, os.PathLike)):
        return False
    return hasattr(source, "shape") or (len(source) > 0 and hasattr(source[0], "shape"))


def _from_arrays(source: Sequence[np.ndarray], given: dict) -> list[Series | Skipped]:
    for name, values in given.items():
        if values is not None and len(values) != len(source):
            raise InputError(f"{len(source)} series and {len(values)} {name}; give one per series")
    parts = set(given["splits"] or ()) - {None, *PARTS}
    if parts:
        raise InputError(f"splits holds {min(parts)!r}; give {', '.join(PARTS)} or None")
    found: list[Series | Skipped] = []
    for number, array in enumerate(source):
        name = f"series_{number:05d}"
        try:
            values = np.asarray(array, np.float64)
        except (TypeError, ValueError):
            found.append(Skipped(name, "not an array of numbers"))
            continue
        if values.ndim not in (1, 2):
            found.append(Skipped(name, f"shape {values.shape}; expected (n,) or (n, channels)"))
            continue
        label, group, split = (
            None if column is None or column[number] is None else str(column[number])
            for column in given.values()
        )
        values = values[:, None] if values.ndim == 1 else values
        found.append(Series(values, name, label, group, split, name, 0))
    return found


def _checked(one: Series | Skipped, width: int, shortest: int) -> Series | Skipped:
    if isinstance(one, Skipped):
        return one
    where = f"{one.source} series {one.row}" if one.row else one.source
    length, channels = one.values.shape
    if channels != width:
        return Skipped(where, f"{channels} channels, the others have {width}")
    if length < shortest:
        return Skipped(where, f"{length} value(s); {shortest} or more are needed")
    wrong = np.argwhere(~np.isfinite(one.values))
    if len(wrong):
        at, channel = wrong[0]
        return Skipped(
            where,
            f"{len(wrong)} missing or infinite value(s), the first at sample {at} of channel "
            f"{channel}; fill them first",
        )
    return one


def _pictures(found: Sequence[Series | Skipped], image: SeriesImage) -> Iterator[Picture | Skipped]:
    for one in found:
        if isinstance(one, Skipped):
            yield one
            continue
        for start, part in _windows(one, image):
            cut = image.window is not None
            yield Picture(
                image.render(part.values),
                f"{one.name}_{start:06d}" if cut else one.name,
                one.label,
                one.group or (one.name if cut else None),
                one.split,
                one.source,
                f"{one.row}:{start}" if cut else str(one.row),
            )


def _windows(one: Series, image: SeriesImage) -> Iterator[tuple[int, Series]]:
    if image.window is None:
        yield 0, one
        return
    last = max(0, len(one.values) - image.window)
    for start in range(0, last + 1, image.step or image.window):
        yield start, replace(one, values=one.values[start : start + image.window])
