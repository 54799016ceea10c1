"""Recordings of the mouse to pictures, as examples; with scripted tracks beside them if wanted."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from tl_keras.convert.scripted import scripted_track
from tl_keras.convert.settings import chosen
from tl_keras.convert.sources import Source, find_sources
from tl_keras.convert.track_files import UnreadableTrackError, read_track
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
        The examples.  ``groups``: ``{group}`` of ``names``, else the recording;
        ``extra["offset"]``: the window's first movement, counted from 0.

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


def _pictures(
    sources: Sequence[Source], image: TrackImage, seed: int | None
) -> Iterator[Picture | Skipped]:
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
            if not np.ptp(part.points, axis=0).any():
                yield Skipped(f"{one.path} at {start}", "the mouse stands still")
                continue
            shown = {one.label: part}
            if seed is not None:
                shown = {PERSON: part, SCRIPTED: scripted_track(part, (seed, number, start))}
            for label, window in shown.items():
                if not np.ptp(window.points, axis=0).any():
                    yield Skipped(f"{one.path} at {start}", f"the {label} mouse stands still")
                    continue
                yield Picture(
                    image.render(window),
                    f"{one.name}_{start:06d}",
                    label,
                    one.group or one.name,
                    one.split,
                    one.path,
                    str(start),
                )
