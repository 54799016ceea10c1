"""The learning rate within one stage."""

import math

SCHEDULES = ("cosine", "one_cycle", "constant", "plateau")

# fastai's one-cycle: a quarter of the steps up, from a 25th of the peak.
_WARMUP = {"one_cycle": 0.25}
_ONE_CYCLE_START, _ONE_CYCLE_END = 1 / 25, 1e-5


def stage_rate(
    peak: float, progress: float, warmup: float | None = None, schedule: str = "cosine"
) -> float:
    """The rate of one step, before what a plateau cuts off.

    ``"cosine"``: linear warm-up, then cosine decay to 1 % of the peak (Loshchilov & Hutter 2017,
    arXiv:1608.03983).  ``"one_cycle"``: half a cosine up from a 25th of the peak and half a cosine
    down to a 100,000th (Smith & Topin 2018, arXiv:1708.07120, in fastai's form).  ``"constant"``
    and ``"plateau"``: linear warm-up, then the peak.

    Args:
        peak: Highest rate of the stage.
        progress: Part of the stage's steps already done, in [0, 1].
        warmup: Part of the steps over which the rate rises, in [0, 1); None: 0.1, and 0.25 under
            ``"one_cycle"``.
        schedule: One of ``SCHEDULES``.

    Example:
        >>> stage_rate(1.0, 0.0, 0.0), round(stage_rate(1.0, 1.0, 0.0), 3)
        (1.0, 0.01)
        >>> stage_rate(1.0, 0.0, schedule="one_cycle")
        0.04
    """
    warmup = _WARMUP.get(schedule, 0.1) if warmup is None else warmup
    rising = progress < warmup
    if rising and schedule != "one_cycle":
        return peak * max(progress / warmup, 0.01)
    if schedule in ("constant", "plateau"):
        return peak
    if rising:
        return peak * _between(1.0, _ONE_CYCLE_START, 1 - progress / warmup)
    fall = (min(progress, 1.0) - warmup) / (1 - warmup)
    return peak * _between(1.0, _ONE_CYCLE_END if schedule == "one_cycle" else 0.01, fall)


def _between(high: float, low: float, part: float) -> float:
    """Half a cosine from ``high`` at part 0 to ``low`` at part 1."""
    return low + (high - low) * 0.5 * (1 + math.cos(math.pi * part))
