"""Every file is opened and decoded once before training starts: what fails is known by name."""

import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from PIL import Image
from tqdm import tqdm

from tl_keras.data.decoding import IN_MEMORY, UnreadableImageError, decode, formats, open_regular
from tl_keras.data.examples import Skipped
from tl_keras.data.jpeg import jpeg_size, may_be_turned
from tl_keras.data.rgb import orientation

if TYPE_CHECKING:
    from tl_keras.data.masks import Mask

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Bytes of a content digest: at 128 bits no two different files will ever meet by chance.
DIGEST_BYTES = 16

# Small enough that neither waiting results nor Ctrl-C have to wait for many files.
_CHUNK = 256
_QUIET_SECONDS = 2.0
# EXIF orientations from this on lay a picture on its side.
_SIDEWAYS = 5
# Formats that the decoder may shrink, so that the header has to say how large the picture is.
_SHRUNK = ("JPEG", "MPO")


def workers() -> int:
    """Threads that decode images: one per core, sixteen at most.

    Returns:
        A number from 1 to 16.

    Example:
        >>> 1 <= workers() <= 16
        True
    """
    if hasattr(os, "sched_getaffinity"):  # Linux: knows of a container's limits
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(16, cores)


class Checked(NamedTuple):
    """What is known of a file once it was decoded.

    Attributes:
        digest: the BLAKE2b hash of its bytes in hexadecimal; ``None`` for what is no sound image.
        reason: what is wrong with it, a few words; ``None`` for a sound image.
        size: ``(width, height)`` in px, upright; ``(0, 0)`` for what is no sound image.
        orientation: how its stored pixels are turned to stand upright: EXIF's 1 (not) to 8; from
            5 on, width and height have changed places.

    Example:
        >>> Checked("0f", None, (480, 640), 6).stored
        (640, 480)
    """

    digest: str | None
    reason: str | None
    size: tuple[int, int] = (0, 0)
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """``(width, height)`` in px before it is turned."""
        return self.size if self.orientation < _SIDEWAYS else self.size[::-1]

    def turned_from(self, size: tuple[int, int]) -> int | None:
        """How to turn what was drawn on a picture of this shape, so that it fits the image.

        Args:
            size: ``(width, height)`` of that picture, px; any scale.

        Returns:
            1: not at all; the image's orientation where it was drawn on the pixels as stored;
            ``None`` where the shape is another one altogether.

        Example:
            >>> phone = Checked("0f", None, (480, 640), 6)
            >>> phone.turned_from((240, 320)), phone.turned_from((640, 480))
            (1, 6)
        """
        if same_shape(size, self.size):
            return 1
        return self.orientation if same_shape(size, self.stored) else None


def same_shape(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether one size is the other, scaled and rounded to whole pixels.

    Args:
        first: ``(width, height)``, px.
        second: ``(width, height)``, px.

    Returns:
        True where the sides are in the same proportion, to a pixel.

    Example:
        >>> same_shape((500, 465), (250, 232)), same_shape((500, 400), (400, 500))
        (True, False)
    """
    differing = abs(first[0] * second[1] - first[1] * second[0])
    return min(*first, *second) > 0 and differing <= max(*first, *second)


def _dimensions(file: BinaryIO, decoded: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """Width and height, upright, and the EXIF orientation, of a file that was decoded."""
    file.seek(0)
    data = file.read(IN_MEMORY)
    size = jpeg_size(data)
    if size and not may_be_turned(data):
        return size, 1
    file.seek(0)
    with Image.open(file, formats=formats()) as image:
        how = orientation(image)
        if image.format not in _SHRUNK:
            return decoded, how
        return image.size if how < _SIDEWAYS else image.size[::-1], how


def check_file(path: str) -> Checked:
    """Decodes one file to its end and hashes its content.

    Args:
        path: the file.

    Returns:
        Its digest and size, or the reason why it is no sound image.

    Example:
        >>> check_file("no/such.jpg").reason
        'no such file'
    """
    try:
        with open_regular(path) as file:
            # A JPEG shrunk to an eighth is still read to its last byte, in half the time.
            shape = decode(file, path, at_least=1).shape
            file.seek(0)
            digest = hashlib.file_digest(
                file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)
            ).hexdigest()
            size, how = _dimensions(file, (shape[1], shape[0]))
        return Checked(digest, None, size, how)
    except UnreadableImageError as error:
        return Checked(None, error.reason)
    except OSError as error:  # a disk that fails between decoding and hashing
        return Checked(None, " ".join(str(error).split()))


def scan(paths: Sequence[str], *, progress: bool = True) -> Iterator[Checked]:
    """Checks many files in parallel threads (decoders work outside Python's lock).

    Args:
        paths: the files.
        progress: show a bar on standard error, once it takes longer than two seconds and only
            where somebody is looking (a terminal).

    Yields:
        For each path, in the order given, what :func:`check_file` returns.

    Example:
        >>> [checked.reason for checked in scan(["no/such.jpg"])]
        ['no such file']
    """
    return in_threads(check_file, paths, "image", progress)


def scan_masks(
    masks: "Sequence[tuple[Mask, tuple[int, int]]]", *, progress: bool = True
) -> Iterator[Skipped | None]:
    """Checks many masks in parallel threads.

    Args:
        masks: masks, and ``(width, height)`` of their images in px.
        progress: as for :func:`scan`.

    Yields:
        For each, in the order given, ``None``, or the file and what is wrong with it.

    Example:
        >>> list(scan_masks([]))
        []
    """

    def check(pair: "tuple[Mask, tuple[int, int]]") -> Skipped | None:
        mask, (width, height) = pair
        try:
            mask.check(height, width)
        except UnreadableImageError as error:
            return Skipped(error.source, error.reason)
        return None

    return in_threads(check, masks, "mask", progress)


def in_threads(
    check: Callable[[_Item], _Result], items: Sequence[_Item], unit: str, progress: bool
) -> Iterator[_Result]:
    """Applies a function to many files in parallel threads.

    Args:
        check: what to do with each; it must not raise.
        items: the files.
        unit: one of them, for the bar.
        progress: as for :func:`scan`.

    Yields:
        What ``check`` returned, in the order given.

    Example:
        >>> list(in_threads(str.upper, ["a", "b"], "letter", False))
        ['A', 'B']
    """
    with (
        ThreadPoolExecutor(workers()) as pool,
        tqdm(
            total=len(items),
            desc=f"checking {unit}s",
            unit=unit,
            file=sys.stderr,
            delay=_QUIET_SECONDS,
            disable=None if progress else True,
            leave=False,
        ) as bar,
        warnings.catch_warnings(),
    ):
        # Pillow warns about oddities of files that it reads well all the same.
        warnings.simplefilter("ignore")
        for start in range(0, len(items), _CHUNK):
            for result in pool.map(check, items[start : start + _CHUNK]):
                yield result
                bar.update()
