"""One line that says whether images or the model took the time of an epoch."""

import sys
import time
from typing import Any

import keras

from tl_keras.data.profile import EpochProfile, wait_clock


class InputProfile(keras.callbacks.Callback):
    """Prints after an epoch whether input or compute was the bottleneck, and what to change.

    One line after the first epoch, and again whenever the verdict changes.  Validation does not
    count, nor does the first batch of an epoch, in which functions are traced.  On a device that
    works asynchronously and with no other callback that looks at every batch, the loop may run
    ahead of the device, and part of the waiting be hidden behind its work; behind a further
    ``.prefetch()`` or a distribution strategy, which pull batches in a thread of their own, the
    share of waiting is an upper bound.

    Args:
        dataset: What ``Examples.dataset()`` returned, itself, and what ``fit`` trains on.
        verbose: Whether the line goes to standard error.

    Attributes:
        profiles: One ``EpochProfile`` per epoch; None for epochs of fewer than five batches.

    Raises:
        InputError: Another dataset was given.

    Example:
        >>> batches = train.dataset(shuffle=True)  # doctest: +SKIP
        >>> model.fit(batches, callbacks=[InputProfile(batches)])  # doctest: +SKIP
        input: 62 % of the epoch was spent waiting for images, 38 % in the model; keep them …
    """

    # No batch is looked at: Keras need not fetch losses from the device for this callback's sake.
    async_safe = True

    def __init__(self, dataset: Any, verbose: bool = True) -> None:
        super().__init__()
        self._clock = wait_clock(dataset)
        self.verbose = verbose
        self.profiles: list[EpochProfile | None] = []
        self._trained_until: float | None = None
        self._said: tuple[str, str] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts anew."""
        self._trained_until = None

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Notes the end of training in this epoch, where validation begins."""
        if self._trained_until is None:
            self._trained_until = time.time()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Sums up, and prints where there is news."""
        ended = time.time() if self._trained_until is None else self._trained_until
        profile = self._clock.epoch(ended)
        self.profiles.append(profile)
        if profile is None or (profile.bottleneck, profile.cached) == self._said:
            return
        self._said = (profile.bottleneck, profile.cached)
        if self.verbose:
            print(profile.line(), file=sys.stderr, flush=True)
