"""Recordings of the mouse to pictures, as examples; with scripted tracks beside them if wanted."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tl_keras.convert.scripted import scripted_track
from tl_keras.convert.settings import chosen
from tl_keras.convert.sources import Source, find_sources
from tl_keras.convert.track_files import Track, UnreadableTrackError, read_track
from tl_keras.convert.track_image import TrackImage
from tl_keras.convert.writing import Picture, check_output, write_examples
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.splitting import check_seed
from tl_keras.errors import InputError

PERSON, SCRIPTED = "person", "scripted"


def tracks(
    source: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    image: TrackImage | None = None,
    *,
    names: str | None = None,
    scripted: bool = False,
    seed: int = 0,
    like: str | os.PathLike | None = None,
    progress: bool = True,
) -> Examples:
    """Converts recordings of the mouse to pictures of windows of them.

    Args:
        source: a folder, a file, or a list of files
            (:func:`tl_keras.convert.track_files.read_track`), whatever their suffix.
        out: an empty or new folder for the pictures.
        image: how to render; by default ``TrackImage()``.
        names: where class, group and part stand in the paths, such as ``"{group}/*"``; see
            :func:`tl_keras.convert.sources.find_sources`.
        scripted: the recordings are people's: make a scripted window beside each
            (:func:`tl_keras.convert.scripted_track`), of the same group, and label them
            ``"person"`` and ``"scripted"``.
        seed: of the scripted tracks, a whole number from 0 on.
        like: the folder of an earlier conversion, whose settings are used.
        progress: show a bar on standard error when it takes long.

    Returns:
        The examples.  ``groups``: ``{group}`` of ``names``, else, under ``scripted``, the first
        folder (the person's), else the recording; ``extra["offset"]``: the window's first
        movement, counted from 0.

    Raises:
        InputError: nothing to convert, or an argument is unusable.

    Example:
        >>> tl.convert.tracks("mouse/", "out/", names="{group}/*", scripted=True)  # doctest: +SKIP
    """
    image = chosen(TrackImage, image, like)
    check_seed(seed)
    if scripted and names is not None and "{label}" in names:
        raise InputError(
            "scripted tracks bring the classes person and scripted; take {label} out of names "
            "(use {group} for the person)"
        )
    sources = find_sources(source, None, names)
    root = check_output(out)
    pictures = _pictures(sources, image, seed if scripted else None)
    return write_examples(root, pictures, image, source=str(source), progress=progress)


@dataclass(frozen=True)
class TrackWindow:
    """A window of a recording, or the scripted track beside it.

    Attributes:
        track: its events.
        label: ``"person"``, ``"scripted"``, the source's own class, or ``None``.
        start: the window's first movement in the recording.
        source: the recording.

    Example:
        >>> from tl_keras.convert.track_files import Track
        >>> track = Track(np.arange(2.0), np.zeros((2, 2)))
        >>> TrackWindow(track, "person", 0, Source("a", "a", None, "ann", None)).label
        'person'
    """

    track: Track
    label: str | None
    start: int
    source: Source


def track_windows(
    sources: Sequence[Source], image: TrackImage, seed: int | None
) -> Iterator[TrackWindow | Skipped]:
    """Reads and cuts recordings, as :func:`tracks` draws them.

    Args:
        sources: the recordings.
        image: says how long a window is.
        seed: of the scripted tracks; ``None``: none are made.

    Yields:
        Windows, and what was left out with the reason.

    Example:
        >>> gone = Source("no/such", "such", None, None, None)
        >>> next(track_windows([gone], TrackImage(), None)).reason
        'no such file'
    """
    for number, one in enumerate(sources):
        try:
            track = read_track(one.path)
        except UnreadableTrackError as problem:
            yield Skipped(one.path, str(problem))
            continue
        windows = list(image.windows(track))
        if not windows:
            yield Skipped(one.path, f"{len(track)} movement(s), too few for a window")
        for start, part in windows:
            shown = {one.label if seed is None else PERSON: part}
            if seed is not None and not _still(part):
                shown[SCRIPTED] = scripted_track(part, (seed, number, start))
            if any(map(_still, shown.values())):
                yield Skipped(f"{one.path} at {start}", "the mouse stands still")
                continue
            for label, window in shown.items():
                yield TrackWindow(window, label, start, one)


def _still(track: Track) -> bool:
    return not np.ptp(track.points, axis=0).any()


def _pictures(
    sources: Sequence[Source], image: TrackImage, seed: int | None
) -> Iterator[Picture | Skipped]:
    for window in track_windows(sources, image, seed):
        if isinstance(window, Skipped):
            yield window
            continue
        one = window.source
        yield Picture(
            image.render(window.track),
            f"{one.name}_{window.start:06d}",
            window.label,
            one.group or (one.label if seed is not None else None) or one.name,
            one.split,
            one.path,
            str(window.start),
        )
