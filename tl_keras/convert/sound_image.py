"""The picture of a sound: a log-mel spectrogram, low at the bottom, time to the right."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tl_keras.convert.settings import Settings, setting
from tl_keras.convert.shades import to_grey, to_square
from tl_keras.convert.spectrogram import mel_filters, mel_spectrogram
from tl_keras.errors import InputError


@dataclass(frozen=True)
class SoundImage(Settings):
    """How sound is rendered.

    Axes: time runs to the right over ``seconds``, pitch upwards from ``fmin`` to ``fmax``, evenly
    in mel (Slaney 1998: linear up to 1 kHz, logarithmic above).  Grey level: decibels below the
    loudest point of the picture, 0 at ``-span`` dB and below, 255 at the loudest, so the distance
    to the microphone does not count.  A clip is cut into pieces of ``seconds`` from its start; a
    last piece shorter than half of that is dropped unless it is the only one, and a short one is
    followed by silence (black).

    Attributes:
        size: side of the square picture, px.
        sample_rate: what every clip is resampled to, Hz.
        seconds: length of a piece.
        n_fft: length of the Hann window, samples at ``sample_rate``.
        hop: from one window to the next, samples at ``sample_rate``.
        n_mels: mel bands.
        fmin: lower end of the lowest band, Hz.
        fmax: upper end of the highest band, Hz; ``None``: half of ``sample_rate``.
        span: range of the grey levels, dB.

    Raises:
        InputError: a value is out of its range, or the values do not go together.

    Example:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
        >>> SoundImage(seconds=1.0).render(tone).shape
        (224, 224)
    """

    kind: ClassVar[str] = "sound"

    size: int = setting(224, "side of the square picture, px", low=16, high=4096)
    sample_rate: int = setting(16000, "every clip is resampled to this, Hz", low=100, high=768000)
    seconds: float = setting(2.0, "length of a piece; longer clips are cut", above=0, high=3600)
    n_fft: int = setting(512, "length of the Hann window, samples", low=16, high=65536)
    hop: int = setting(128, "from one window to the next, samples", low=1, high=65536)
    n_mels: int = setting(64, "mel bands", low=4, high=1024)
    fmin: float = setting(20.0, "lower end of the lowest band, Hz", low=0)
    fmax: float | None = setting(
        None, "upper end of the highest band, Hz (default: half the rate)", of=float, above=0
    )
    span: float = setting(80.0, "decibels below the loudest point that are black", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_fft % 2:
            raise InputError(f"SoundImage: n_fft={self.n_fft} is odd; give an even number")
        top = self.top
        if not self.fmin < top <= self.sample_rate / 2:
            raise InputError(
                f"SoundImage: bands from fmin={self.fmin:g} to fmax={top:g} Hz; fmin is below fmax "
                f"and fmax at most half of sample_rate={self.sample_rate}"
            )
        if self.piece < self.n_fft:
            raise InputError(
                f"SoundImage: a piece of {self.seconds:g} s is {self.piece} samples, shorter than "
                f"one window (n_fft={self.n_fft}); raise seconds or lower n_fft"
            )
        mel_filters(self.sample_rate, self.n_fft, self.n_mels, float(self.fmin), float(top))

    @property
    def top(self) -> float:
        """Upper end of the highest band, Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def piece(self) -> int:
        """Samples of a piece."""
        return round(self.seconds * self.sample_rate)

    def pieces(self, samples: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        """Cuts a clip.

        Args:
            samples: float array (n,) at ``sample_rate``.

        Yields:
            Start in seconds, and samples: ``piece`` of them, fewer in a last one.

        Example:
            >>> cut = SoundImage(seconds=1.0).pieces(np.zeros(16000 * 5 // 2))
            >>> [(start, len(part)) for start, part in cut]
            [(0.0, 16000), (1.0, 16000), (2.0, 8000)]
        """
        for start in range(0, len(samples), self.piece):
            part = samples[start : start + self.piece]
            if start and len(part) < self.piece / 2:
                return
            yield start / self.sample_rate, part

    def render(self, samples: np.ndarray) -> np.ndarray:
        """Renders one piece.

        Args:
            samples: float array (n,), -1..1, at ``sample_rate``; padded with silence at its end,
                or cut, to ``seconds``.

        Returns:
            uint8 array (size, size).

        Example:
            >>> SoundImage().render(np.zeros(16000)).max()
            np.uint8(0)
        """
        whole = np.zeros(self.piece)
        whole[: len(samples)] = samples[: self.piece]
        levels = mel_spectrogram(
            whole,
            self.sample_rate,
            n_fft=self.n_fft,
            hop=self.hop,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.top,
            span=self.span,
        )
        return to_grey(to_square(levels[::-1], self.size), -self.span, 0.0)
