"""A learning-rate schedule that Keras lacks.

Cosine decay with warm-up is ``keras.optimizers.schedules.CosineDecay(0.0, decay_steps,
warmup_target=1e-3, warmup_steps=100)``.
"""

import math
from typing import Any

import keras

from tl_keras.errors import InputError


@keras.saving.register_keras_serializable(package="tl_keras")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine up to the highest rate, half a cosine down to nothing, once.

    Smith & Topin 2018 (arXiv:1708.07120), in the form and with the defaults of fastai's
    ``fit_one_cycle``.  It is a function of the step alone, so it is saved and restored with the
    optimizer; the momentum stays as it is.

    Args:
        max_rate: Highest learning rate.
        steps: Steps of the whole cycle (epochs · steps in an epoch); afterwards the rate stays.
        rise: Fraction of the steps over which the rate rises, in (0, 1).
        start: First rate as a fraction of the highest.
        end: Last rate as a fraction of the highest.

    Raises:
        InputError: A value is out of range.

    Example:
        >>> rate = OneCycle(1e-2, steps=100)
        >>> [round(float(rate(step)), 5) for step in (0, 25, 100)]
        [0.0004, 0.01, 0.0]
    """

    def __init__(
        self,
        max_rate: float,
        steps: int,
        *,
        rise: float = 0.25,
        start: float = 1 / 25,
        end: float = 1e-5,
    ):
        if not max_rate > 0 or not steps >= 1:
            raise InputError(
                f"OneCycle needs max_rate above 0 and 1 step or more; got {max_rate!r}, {steps!r}"
            )
        if not 0 < rise < 1 or not (0 <= start <= 1 and 0 <= end <= 1):
            raise InputError(
                f"OneCycle needs rise in (0, 1), start and end in [0, 1]; got {rise!r}, {start!r}, "
                f"{end!r}"
            )
        self.max_rate, self.steps = float(max_rate), int(steps)
        self.rise, self.start, self.end = float(rise), float(start), float(end)

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0; a float32 scalar."""
        ops = keras.ops
        progress = ops.clip(ops.cast(step, "float32") / self.steps, 0.0, 1.0)
        up = progress / self.rise
        down = (progress - self.rise) / (1 - self.rise)
        part = ops.where(up < 1, 1 - up, down)
        low = ops.where(up < 1, self.start, self.end)
        return self.max_rate * (low + (1 - low) * 0.5 * (1 + ops.cos(math.pi * part)))

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the schedule."""
        return {name: getattr(self, name) for name in ("max_rate", "steps", "rise", "start", "end")}
