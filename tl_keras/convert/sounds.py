"""Sound files to log-mel spectrograms, as examples."""

import os
import warnings
from collections.abc import Iterator, Sequence

from tl_keras.convert.settings import chosen
from tl_keras.convert.sound_files import SUFFIXES, UnreadableSoundError, read_sound, resample
from tl_keras.convert.sound_image import SoundImage
from tl_keras.convert.sources import Source, find_sources
from tl_keras.convert.writing import Picture, check_output, write_examples
from tl_keras.data.examples import Examples, Skipped


def sound(
    source: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    image: SoundImage | None = None,
    *,
    names: str | None = None,
    like: str | os.PathLike | None = None,
    progress: bool = True,
) -> Examples:
    """Converts sound files (WAV, FLAC, OGG, ...) to pictures.

    Channels are mixed to one, clips resampled (anti-aliased) and cut into pieces; the pieces of a
    clip share its group, so no split tears them apart.  Mirroring such a picture plays it
    backwards: train with an augmentation that leaves it out.

    Args:
        source: a folder with a sub-folder for each class, a file, or a list of files.
        out: an empty or new folder for the pictures.
        image: how to render; by default ``SoundImage()``.
        names: where class, group and part stand in the paths, such as ``"{label}_{group}_*"``;
            see :func:`tl_keras.convert.sources.find_sources`.
        like: the folder of an earlier conversion, whose settings are used.
        progress: show a bar on standard error when it takes long.

    Returns:
        The examples.  ``groups``: ``{group}`` of ``names``, else the clip; ``extra["offset"]``:
        start of the piece in seconds.  What could not be read is in ``skipped``.

    Raises:
        InputError: nothing to convert, or an argument is unusable.

    Example:
        >>> tl.convert.sound("digits/", "out/", names="{label}_{group}_*")  # doctest: +SKIP
    """
    image = chosen(SoundImage, image, like)
    sources = find_sources(source, SUFFIXES, names)
    root = check_output(out)
    rates: list[int] = []
    examples = write_examples(
        root, _pictures(sources, image, rates), image, source=str(source), progress=progress
    )
    if rates and max(rates) < image.sample_rate and image.top > max(rates) / 2:
        warnings.warn(
            f"no clip has more than {max(rates)} samples per second, so the pictures are empty "
            f"above {max(rates) / 2:g} Hz; SoundImage(sample_rate={max(rates)}) "
            f"(--sample-rate {max(rates)}) would use their whole height",
            stacklevel=2,
        )
    return examples


def _pictures(
    sources: Sequence[Source], image: SoundImage, rates: list[int]
) -> Iterator[Picture | Skipped]:
    for one in sources:
        try:
            samples, rate = read_sound(one.path)
        except UnreadableSoundError as problem:
            yield Skipped(one.path, str(problem))
            continue
        rates.append(rate)
        samples = resample(samples, rate, image.sample_rate)
        if len(samples) < image.n_fft:
            yield Skipped(
                one.path,
                f"{len(samples)} sample(s) at {image.sample_rate} Hz, shorter than one window "
                f"(n_fft={image.n_fft})",
            )
            continue
        cut = list(image.pieces(samples))
        for number, (start, part) in enumerate(cut):
            name = one.name if len(cut) == 1 else f"{one.name}_{number:04d}"
            yield Picture(
                image.render(part),
                name,
                one.label,
                one.group or one.name,
                one.split,
                one.path,
                f"{start:g}",
            )
