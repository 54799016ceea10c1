"""Sound files to samples: WAV by the standard library, other formats by libsndfile."""

import wave
from math import gcd

import numpy as np

from tl_keras.errors import InputError

SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".mp3", ".aiff", ".aif", ".au"}

# The fastest sound cards; a damaged header may ask for a filter of gigabytes.
_HIGHEST_RATE = 768_000

_EXTRA = "pip install 'tl-keras[sound]'"


class UnreadableSoundError(Exception):
    """A file that holds no sound we can read; its text is the reason, without the path."""


def read_sound(path: str) -> tuple[np.ndarray, int]:
    """Reads a whole file and mixes its channels to one by their mean.

    Whole-number WAV (8 to 32 bit) is read by the standard library; everything else (FLAC, OGG,
    float WAV) by the ``soundfile`` package.

    Args:
        path: the file.

    Returns:
        float64 array (n,), -1..1, and samples per second.

    Raises:
        UnreadableSoundError: empty, truncated, no sound, or samples that are not finite.
        InputError: the format needs ``soundfile``, which is not installed.

    Example:
        >>> read_sound("no/such.wav")
        Traceback (most recent call last):
        ...
        tl_keras.convert.sound_files.UnreadableSoundError: no such file
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(12)
    except FileNotFoundError:
        raise UnreadableSoundError("no such file") from None
    except OSError as error:
        raise UnreadableSoundError(error.strerror or str(error)) from None
    if not head:
        raise UnreadableSoundError("zero bytes")
    read = _wav(path) if head[:4] == b"RIFF" and head[8:] == b"WAVE" else None
    samples, rate = read or _by_library(path)
    if not len(samples):
        raise UnreadableSoundError("holds no samples")
    if not 0 < rate <= _HIGHEST_RATE:
        raise UnreadableSoundError(f"its header gives {rate} samples per second; broken?")
    if not np.isfinite(samples).all():
        raise UnreadableSoundError("holds samples that are not finite numbers")
    return samples, rate


def _wav(path: str) -> tuple[np.ndarray, int] | None:
    """Samples of a whole-number WAV; None for one of another coding."""
    try:
        with wave.open(path, "rb") as file:
            channels, width, rate, count, *_ = file.getparams()
            data = file.readframes(count)
    except wave.Error as error:
        if "unknown" in str(error):  # "unknown format: 3", that is float
            return None
        raise UnreadableSoundError(f"broken WAV: {error}") from None
    except (EOFError, RuntimeError):  # RuntimeError: a part that reaches beyond the whole
        raise UnreadableSoundError("truncated WAV: it ends within its header") from None
    if width > 4:
        raise UnreadableSoundError(f"broken WAV: samples of {width} bytes")
    frame = channels * width
    if len(data) < count * frame:
        raise UnreadableSoundError(
            f"truncated WAV: its header promises {count} samples, {len(data) // frame} are there"
        )
    if width == 1:  # the one width that is unsigned
        samples = np.frombuffer(data, np.uint8).astype(np.float64) / 128 - 1
    elif width == 3:
        bytes_ = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(bytes_), 4), np.uint8)
        wide[:, 1:] = bytes_
        samples = wide.view("<i4")[:, 0] / 2.0**31
    else:
        samples = np.frombuffer(data, f"<i{width}") / 2.0 ** (8 * width - 1)
    return samples.reshape(-1, channels).mean(axis=1), rate


def _by_library(path: str) -> tuple[np.ndarray, int]:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package without its libsndfile
        raise InputError(
            f"{path} is no plain WAV; reading it needs the soundfile package: {_EXTRA}"
        ) from None
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "error_string", error)).split()).rstrip(".")
        raise UnreadableSoundError(f"no sound that can be read: {reason}") from None
    return samples.mean(axis=1), rate


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Changes the sampling rate; what the new rate cannot carry is filtered out first.

    A polyphase filter (Kaiser window; ``scipy.signal.resample_poly``), so tones above half the
    new rate vanish and do not come back as lower ones.

    Args:
        samples: float array (n,).
        rate: samples per second, Hz.
        target: samples per second wanted, Hz.

    Returns:
        float64 array (ceil(n * target / rate),).

    Raises:
        InputError: scipy is not installed.

    Example:
        >>> resample(np.zeros(441), 44100, 16000).shape
        (160,)
    """
    if rate == target:
        return samples
    try:
        from scipy.signal import resample_poly
    except ImportError:
        raise InputError(
            f"resampling from {rate} to {target} Hz needs scipy: {_EXTRA}; or give the rate of "
            f"your files (sample_rate={rate})"
        ) from None
    common = gcd(rate, target)
    return resample_poly(samples, target // common, rate // common)
