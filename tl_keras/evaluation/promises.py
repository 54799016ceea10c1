"""What a classifier promises besides its answer: temperature, sets and abstention together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.abstaining import abstention_threshold, evaluate_abstention
from tl_keras.evaluation.calibration import calibration_error, fit_temperature, tempered
from tl_keras.evaluation.conformal import conformal_threshold, evaluate_sets
from tl_keras.evaluation.metrics import log_loss

#: What is promised where nobody says.
COVERAGE = 0.9
_CHOICES = (0.8, 0.9, 0.95, 0.99)
_FOLDS = 5


def tuned_promises(labels: Any, probabilities: Any) -> dict[str, Any]:
    """Settings of a classifier, found on images that it was not trained on.

    Args:
        labels: (N,) integers, the true classes.
        probabilities: float (N, C), as the model says them.

    Returns:
        JSON values: ``temperature``; ``coverage``, what is promised (0.9); ``set_threshold``, from
        which probability on a class belongs to the set, and ``abstain_below``, the confidence
        below which there is no answer, both at that temperature and None where the images are too
        few; ``promises``, the two for each coverage that may be chosen, by its name (``"0.95"``).

    Example:
        >>> rows = [[0.9, 0.1]] * 16 + [[0.6, 0.4]] * 4
        >>> tuned_promises([0] * 18 + [1] * 2, rows)["promises"]["0.99"]["set_threshold"] is None
        True
    """
    temperature = fit_temperature(labels, probabilities)
    scaled = tempered(probabilities, temperature)
    found = {f"{coverage:g}": _limits(labels, scaled, coverage) for coverage in _CHOICES}
    return {
        "temperature": temperature,
        "coverage": COVERAGE,
        **found[f"{COVERAGE:g}"],
        "promises": found,
    }


def with_coverage(settings: Mapping[str, Any], coverage: float) -> dict[str, Any]:
    """The settings with another promise.

    Args:
        settings: Of :func:`tuned_promises`.
        coverage: One of those that were tuned.

    Raises:
        InputError: It was not tuned, or the validation images were too few for it.

    Example:
        >>> limits = {"set_threshold": 0.1, "abstain_below": 0.4}
        >>> with_coverage({"promises": {"0.95": limits}}, 0.95)["abstain_below"]
        0.4
    """
    promises = settings.get("promises", {})
    kept = [name for name, found in promises.items() if found["set_threshold"] is not None]
    limits = promises.get(f"{coverage:g}")
    if not kept:
        raise InputError(
            f"this model promises nothing, so no coverage of {coverage:g} either (classifiers that "
            "were trained with four validation images or more do, their ensembles do not); leave "
            "it out"
        )
    if limits is None or limits["set_threshold"] is None:
        raise InputError(
            f"coverage {coverage:g} was not measured when this model was trained; give one of "
            f"{', '.join(kept)} (0.95 takes 19 validation images, 0.99 takes 99)"
        )
    return {**settings, "coverage": coverage, **limits}


def measured_promises(
    labels: Any, probabilities: Any, settings: Mapping[str, Any] | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities as the model is to say them, and whether it keeps what it promises.

    Args:
        labels: (N,) integers, the true classes.
        probabilities: float (N, C), as the model says them.
        settings: Of the model; None where they are tuned on these very images: then each fifth is
            measured with what was tuned on the other four.

    Returns:
        The probabilities at their temperature, float64 (N, C), and JSON values: ``calibration``
        with ``temperature``, ``before`` and ``after``, each as of ``calibration_error`` and with
        the ``log_loss``; ``sets``
        as of ``evaluate_sets`` and ``abstention`` as of ``evaluate_abstention``, with what was
        ``promised``.  What the settings do not say, or takes more images, is left out.

    Example:
        >>> found = measured_promises([0] * 18 + [1] * 2, [[0.9, 0.1]] * 20, None)[1]
        >>> sorted(found), found["sets"]["promised"]
        (['abstention', 'calibration', 'sets'], 0.9)
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    before = {"before": _calibration(labels, probabilities)}
    if settings is None:
        coverage, temperature = COVERAGE, fit_temperature(labels, probabilities)
        scaled, limits = _cross_tuned(labels, probabilities, coverage)
    elif "temperature" in settings:
        coverage, temperature = settings["coverage"], settings["temperature"]
        scaled, limits = tempered(probabilities, temperature), settings
    else:
        return probabilities, {"calibration": before}
    found: dict[str, Any] = {
        "calibration": {
            "temperature": temperature, **before, "after": _calibration(labels, scaled)
        }
    }  # fmt: skip
    if limits["set_threshold"] is not None:
        sets = evaluate_sets(labels, scaled, limits["set_threshold"])
        found["sets"] = {"promised": coverage, **sets}
    if limits["abstain_below"] is not None:
        given = evaluate_abstention(labels, scaled, limits["abstain_below"])
        found["abstention"] = {"promised": round(1 - coverage, 6), **given}
    return scaled, found


def _calibration(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    found = calibration_error(labels, probabilities)
    return {**found, "log_loss": log_loss(labels, probabilities)}


def _limits(labels: Any, scaled: np.ndarray, coverage: float) -> dict[str, float | None]:
    return {
        "set_threshold": conformal_threshold(labels, scaled, coverage),
        "abstain_below": abstention_threshold(labels, scaled, 1 - coverage),
    }


def _cross_tuned(
    labels: np.ndarray, probabilities: np.ndarray, coverage: float
) -> tuple[np.ndarray, dict[str, np.ndarray | None]]:
    """Probabilities at the temperature of other images, and the limits of each image by those."""
    scaled = np.array(probabilities)
    limits: dict[str, Any] = {name: np.zeros(len(labels)) for name in _limits([0], scaled[:1], 0.9)}
    order = np.random.default_rng(0).permutation(len(labels))
    for own in np.array_split(order, min(_FOLDS, len(order))):
        rest = np.setdiff1d(order, own)
        if not len(rest):
            return scaled, dict.fromkeys(limits)
        temperature = fit_temperature(labels[rest], probabilities[rest])
        scaled[own] = tempered(probabilities[own], temperature)
        others = _limits(labels[rest], tempered(probabilities[rest], temperature), coverage)
        for name, limit in others.items():
            if limit is None or limits[name] is None:
                limits[name] = None
            else:
                limits[name][own] = limit
    return scaled, limits
