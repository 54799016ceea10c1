"""Was it the images or the model that took the time of an epoch?

The pipeline notes when a batch was asked for and when it was given.  What lies between is time in
which the training loop stood still for images; all other time went into the model.
"""

import threading
from dataclasses import dataclass
from typing import Any

from tl_keras.data.pixel_cache import PixelCache
from tl_keras.errors import InputError

#: Share of an epoch spent waiting from which on the input is called the bottleneck.  A loop that
#: waits at all is slower than its model: the share is how much of the epoch better input saves.
BOTTLENECK = 0.2

# Short passes say nothing: the first batch, with tracing and start-up, is left out as well.
_LEAST_BATCHES = 4


class WaitClock:
    """When the batches of the current pass were asked for and given.

    Args:
        cache: where the pipeline keeps decoded images; for the advice.

    Example:
        >>> clock = WaitClock()
        >>> for number in range(5):
        ...     clock.record(number, asked=number, given=number + 0.75)
        >>> clock.epoch(ended=5.0).share
        0.75
    """

    def __init__(self, cache: PixelCache | None = None) -> None:
        self.cache = cache
        self._lock = threading.Lock()
        self._began = self._waited = 0.0
        self._batches = 0
        self._filling = False

    def record(self, number: int, asked: float, given: float) -> None:
        """Notes one batch.

        Args:
            number: which batch of the pass; 0 begins a new pass.
            asked: when it was asked for, in seconds.
            given: when it was handed out.
        """
        with self._lock:
            if number == 0:
                self._began = self._waited = 0.0
                self._batches = 0
                self._filling = self.cache is not None and not self.cache.complete
                return
            if not self._batches:
                self._began = asked
            self._batches += 1
            self._waited += given - asked

    def epoch(self, ended: float) -> "EpochProfile | None":
        """Sums up the pass, without its first batch.

        Args:
            ended: when its last step was done, in seconds.

        Returns:
            The profile; ``None`` for a pass of fewer than five batches.
        """
        with self._lock:
            if self._batches < _LEAST_BATCHES or ended <= self._began:
                return None
            kept = "no" if self.cache is None else "filling" if self._filling else "yes"
            return EpochProfile(ended - self._began, min(self._waited, ended - self._began), kept)


@dataclass(frozen=True)
class EpochProfile:
    """What the time of an epoch went into.

    Attributes:
        seconds: from the second batch to the end of the last step.
        waited: of these, how many the training loop stood still for images.
        cached: whether decoded images came from a cache: ``"no"``, ``"filling"`` or ``"yes"``.

    Example:
        >>> EpochProfile(10.0, 6.2, "no").bottleneck
        'input'
    """

    seconds: float
    waited: float
    cached: str = "no"

    @property
    def share(self) -> float:
        """Share of the epoch spent waiting, 0..1."""
        return self.waited / self.seconds

    @property
    def bottleneck(self) -> str:
        """``"input"`` or ``"compute"``."""
        return "input" if self.share >= BOTTLENECK else "compute"

    def line(self) -> str:
        """Says it in one line, with what to change.

        Returns:
            One line, without its end.

        Example:
            >>> EpochProfile(10.0, 0.2, "no").line()
            'compute: 98 % of the epoch went into the model, 2 % into waiting for images; a \
smaller backbone or image size, or a faster device, would shorten it'
        """
        wait = round(100 * self.share)
        if self.bottleneck == "compute":
            return (
                f"compute: {100 - wait} % of the epoch went into the model, {wait} % into waiting "
                "for images; a smaller backbone or image size, or a faster device, would shorten it"
            )
        advice = {
            "no": "keep them decoded (cache='memory' or a folder) or lower the image size",
            "filling": "the cache was being filled, the next epoch reads from it",
            "yes": "choose a lighter augmentation, a smaller image size, or more CPU cores",
        }[self.cached]
        return (
            f"input: {wait} % of the epoch was spent waiting for images, {100 - wait} % in the "
            f"model; {advice}"
        )


def wait_clock(dataset: Any) -> WaitClock:
    """Finds the clock of a dataset.

    Args:
        dataset: what :meth:`tl_keras.data.Examples.dataset` returned, itself.

    Returns:
        Its clock.

    Raises:
        InputError: another dataset was given.

    Example:
        >>> wait_clock(batches).epoch(time.time())  # doctest: +SKIP
    """
    clock = getattr(dataset, "wait_clock", None)
    if not isinstance(clock, WaitClock):
        raise InputError(
            f"got a {type(dataset).__name__}, which keeps no times; give the dataset that "
            "Examples.dataset() returned, before any .map() or .prefetch()"
        )
    return clock
