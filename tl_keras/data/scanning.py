"""Every file is opened and decoded once before training starts: what fails is known by name."""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from tl_keras.data.decoding import UnreadableImageError, decode, open_regular

#: Bytes of a content digest: at 128 bits no two different files will ever meet by chance.
DIGEST_BYTES = 16

# Small enough that neither waiting results nor Ctrl-C have to wait for many files.
_CHUNK = 256
_QUIET_SECONDS = 2.0


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


def check_file(path: str) -> tuple[str | None, str | None]:
    """Decodes one file to its end and hashes its content.

    Args:
        path: the file.

    Returns:
        ``(digest, None)`` with the BLAKE2b hash in hexadecimal, or ``(None, reason)``.

    Example:
        >>> check_file("no/such.jpg")
        (None, 'no such file')
    """
    try:
        with open_regular(path) as file:
            # A JPEG shrunk to an eighth is still read to its last byte, in half the time.
            decode(file, path, at_least=1)
            file.seek(0)
            digest = hashlib.file_digest(
                file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)
            ).hexdigest()
        return digest, None
    except UnreadableImageError as error:
        return None, error.reason
    except OSError as error:  # a disk that fails between decoding and hashing
        return None, " ".join(str(error).split())


def scan(paths: Sequence[str], *, progress: bool = True) -> Iterator[tuple[str | None, str | None]]:
    """Checks many files in parallel threads (decoders work outside Python's lock).

    Args:
        paths: the files.
        progress: show a bar on standard error, once it takes longer than two seconds and only
            where somebody is looking (a terminal).

    Yields:
        For each path, in the order given, what :func:`check_file` returns.

    Example:
        >>> list(scan(["no/such.jpg"]))
        [(None, 'no such file')]
    """
    with (
        ThreadPoolExecutor(workers()) as pool,
        tqdm(
            total=len(paths),
            desc="checking images",
            unit="image",
            file=sys.stderr,
            delay=_QUIET_SECONDS,
            disable=None if progress else True,
            leave=False,
        ) as bar,
        warnings.catch_warnings(),
    ):
        # Pillow warns about oddities of files that it reads well all the same.
        warnings.simplefilter("ignore")
        for start in range(0, len(paths), _CHUNK):
            for result in pool.map(check_file, paths[start : start + _CHUNK]):
                yield result
                bar.update()
