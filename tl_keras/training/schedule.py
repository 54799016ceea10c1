"""The learning rate within one stage."""

import math


def stage_rate(peak: float, progress: float, warmup: float) -> float:
    """Linear warm-up, then cosine decay to 1 % of the peak (Loshchilov & Hutter 2017).

    Args:
        peak: Highest rate of the stage.
        progress: Part of the stage's steps already done, in [0, 1].
        warmup: Part of the steps over which the rate rises, in [0, 1).

    Example:
        >>> stage_rate(1.0, 0.0, 0.0), round(stage_rate(1.0, 1.0, 0.0), 3)
        (1.0, 0.01)
    """
    if progress < warmup:
        return peak * max(progress / warmup, 0.01)
    fall = (min(progress, 1.0) - warmup) / (1 - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))
