"""The frame of TFRecord files: records with checksums, and what is broken in them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tl_keras.data.examples import Skipped
from tl_keras.errors import InputError

_GZIP = b"\x1f\x8b"
_FRAME = 16  # bytes around a record: its length and two checksums


def records(file: Path, broken: list[Skipped]) -> Iterator[bytes]:
    """Reads the records of a file, each verified by its CRC-32C.

    Args:
        file: plain, or packed by gzip.
        broken: where a record is damaged or the file is cut off, that is added here, and the rest
            of the file is not read: its frame is lost.

    Yields:
        The records.

    Raises:
        InputError: TensorFlow is missing, or the file may not be read.

    Example:
        >>> list(records(Path("a.tfrecord"), []))  # doctest: +SKIP
    """
    try:
        import tensorflow as tf
    except ImportError:
        raise InputError(f"reading {file} needs TensorFlow; pip install tensorflow") from None
    count, size = 0, 0
    try:
        with file.open("rb") as opened:
            packed = opened.read(2) == _GZIP
        for record in tf.data.TFRecordDataset(
            os.fspath(file), compression_type="GZIP" if packed else ""
        ).as_numpy_iterator():
            yield record
            count, size = count + 1, size + len(record) + _FRAME
    except tf.errors.OpError as error:
        broken.append(_broken(file, count, _reason(error.message)))
        return
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}; check its permissions") from None
    # TensorFlow takes an end within a record's length for the end of the file.
    if size != _size(file, packed, size):
        broken.append(_broken(file, count, "cut off"))


def _size(file: Path, packed: bool, read: int) -> int:
    """Bytes of the unpacked file; gzip notes them at its end, modulo 2³²."""
    if not packed:
        return file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(-4, os.SEEK_END)
        noted = int.from_bytes(opened.read(4), "little")
    return read if read % 2**32 == noted else -1


def _reason(message: str) -> str:
    if "Is this even a TFRecord file" in message:
        return "no TFRecord file, or damaged at its beginning"
    found = re.search(r"(corrupted|truncated) record at (\d+)", message)
    if found:
        what = "a wrong checksum" if found[1] == "corrupted" else "cut off"
        return f"{what} at byte {found[2]}"
    return "damaged: " + " ".join(re.sub(r"\{\{.*?\}\}", "", message).split())[:150]


def _broken(file: Path, count: int, reason: str) -> Skipped:
    return Skipped(str(file), f"{reason}; {count} records before it were read, none after it")
