"""Short-time spectra and the mel scale, in numpy: values as librosa's defaults have them."""

import functools
import math

import numpy as np

from tl_keras.errors import InputError

# Slaney's Auditory Toolbox (1998): linear up to 1 kHz, 27 logarithmic steps per factor 6.4 above.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_LOG_STEP = math.log(6.4) / 27

#: A loudest power up to this is silence, of samples in -1..1; librosa's ``amin``.
SILENCE = 1e-10


def power_spectrogram(samples: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Squared magnitude of the short-time Fourier transform, under a periodic Hann window.

    Windows are centred: the signal is padded with ``n_fft // 2`` zeros at both ends, so column
    ``k`` is the spectrum round sample ``k * hop`` (``librosa.stft``, ``center=True``).

    Args:
        samples: float array (n,).
        n_fft: length of a window, samples; even.
        hop: samples from one window to the next.

    Returns:
        float64 array (n_fft // 2 + 1, 1 + n // hop); row ``b`` is ``b * rate / n_fft`` Hz.

    Example:
        >>> power_spectrogram(np.ones(64), n_fft=16, hop=8).shape
        (9, 9)
    """
    padded = np.pad(np.asarray(samples, np.float64), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return np.abs(np.fft.rfft(frames * window, axis=1).T) ** 2


def hz_to_mel(frequency: np.ndarray | float) -> np.ndarray:
    """Frequency in Hz to mel, on Slaney's scale.

    Example:
        >>> round(float(hz_to_mel(1000.0)), 6)
        15.0
    """
    frequency = np.asarray(frequency, np.float64)
    high = (
        _BREAK_HZ / _HZ_PER_MEL + np.log(np.maximum(frequency, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    )
    return np.where(frequency < _BREAK_HZ, frequency / _HZ_PER_MEL, high)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Mel to frequency in Hz; the inverse of :func:`hz_to_mel`.

    Example:
        >>> round(float(mel_to_hz(15.0)), 6)
        1000.0
    """
    mel = np.asarray(mel, np.float64)
    start = _BREAK_HZ / _HZ_PER_MEL
    high = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, start) - start))
    return np.where(mel < start, mel * _HZ_PER_MEL, high)


@functools.cache
def mel_filters(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Triangular filters, evenly spaced in mel, each of area 1 over frequency (Slaney 1998).

    Args:
        rate: samples per second.
        n_fft: length of a window, samples.
        n_mels: number of filters.
        fmin: lower end of the first, Hz.
        fmax: upper end of the last, Hz.

    Returns:
        float64 array (n_mels, n_fft // 2 + 1), read-only; row 0 is the lowest.

    Raises:
        InputError: filters so narrow that one lies between two frequencies of the spectrum.

    Example:
        >>> mel_filters(8000, 512, 40, 0.0, 4000.0).shape
        (40, 257)
    """
    frequencies = np.arange(n_fft // 2 + 1) * (rate / n_fft)
    edges = mel_to_hz(np.linspace(hz_to_mel(fmin), hz_to_mel(fmax), n_mels + 2))
    low, centre, high = (edges[i : n_mels + i, None] for i in range(3))
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
    if not filters.any(axis=1).all():
        raise InputError(
            f"{n_mels} mel bands are too narrow for n_fft={n_fft} at {rate} Hz; take fewer bands "
            "(n_mels) or a longer window (n_fft)"
        )
    filters.flags.writeable = False
    return filters


def decibels(power: np.ndarray, reference: float, span: float) -> np.ndarray:
    """Power in decibels below a reference, cut off at ``-span``.

    Args:
        power: array of any shape, >= 0.
        reference: power that is 0 dB; where it is silence itself, all is ``-span``.
        span: dB, above 0.

    Returns:
        float64 array of the same shape, from ``-span`` up to 0 for power up to the reference.

    Example:
        >>> decibels(np.array([1.0, 0.01, 0.0]), 1.0, 60.0).tolist()
        [0.0, -20.0, -60.0]
    """
    if reference <= SILENCE:
        return np.full(power.shape, -float(span))
    return 10 * np.log10(np.maximum(power / reference, 10 ** (-span / 10)))


def mel_spectrogram(
    samples: np.ndarray,
    rate: int,
    *,
    n_fft: int = 512,
    hop: int = 128,
    n_mels: int = 64,
    fmin: float = 0.0,
    fmax: float | None = None,
    span: float = 80.0,
) -> np.ndarray:
    """Log-mel spectrogram: loudness over time and pitch, in decibels below the loudest point.

    The values of ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref=np.max)``
    (McFee et al. 2015, https://librosa.org/doc/main/generated/librosa.feature.melspectrogram.html).

    Args:
        samples: float array (n,), -1..1.
        rate: samples per second, Hz.
        n_fft: length of a Hann window, samples; even.
        hop: samples from one window to the next.
        n_mels: bands.
        fmin: lower end of the lowest band, Hz.
        fmax: upper end of the highest band, Hz; ``None``: half the rate.
        span: decibels below the loudest point where it is cut off.

    Returns:
        float64 array (n_mels, 1 + n // hop), ``-span``..0 dB; row 0 is the lowest band.

    Raises:
        InputError: the bands are too narrow for the window.

    Example:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
        >>> mel_spectrogram(tone, 8000).shape
        (64, 63)
    """
    top = rate / 2 if fmax is None else float(fmax)
    power = mel_filters(rate, n_fft, n_mels, float(fmin), top) @ power_spectrogram(
        samples, n_fft, hop
    )
    return decibels(power, float(power.max()), span)
