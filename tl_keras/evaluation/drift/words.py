"""What a comparison of images found, in plain sentences."""

from collections.abc import Mapping
from typing import Any

from tl_keras.evaluation.drift.comparing import LEVEL

_STRENGTHS = ((0.6, "slightly"), (0.75, "clearly"), (0.9, "strongly"), (1.01, "almost wholly"))
_MOVED = 3  # classes named
_TESTS = {
    "told apart": "a classifier",
    "feature distance": "the distance of their features",
    "class shares": "the predicted classes",
    "confidence": "the confidence",
}


def drift_words(found: Mapping[str, Any]) -> list[str]:
    """Sentences, the verdict first.

    Args:
        found: Of :func:`~tl_keras.evaluation.drift.comparing.compare`, maybe with ``unlike``: the
            share of new images that the model itself flags.

    Example:
        >>> drift_words(found)[0]  # doctest: +SKIP
        'Drift: the new images differ strongly from the reference.'
    """
    apart, far = found["told_apart"], found["far"]
    auc = apart["auc"]
    said = [_verdict(found)]
    said.append(
        f"A classifier tells them from the reference with AUC {auc['value']:.2f} (95 % "
        f"{auc['low']:.2f} to {auc['high']:.2f}; chance 0.5; {shown_p(apart['p'])})."
    )
    distance, outside = found["distance"], 100 * far["value"]
    said.append(
        f"Their features lie {_against_chance(distance)} ({shown_p(distance['p'])}); "
        f"{outside:.0f} % of them lie farther out than 95 % of the reference do (5 % expected)."
    )
    unlike = found.get("unlike")
    if unlike is not None:
        said.append(
            f"tl-keras predict flags {100 * unlike['value']:.0f} % of them as unlike the "
            "training images; of images like these it flags 5 % at most."
        )
    if found["predictions"] is not None:
        said += _of_predictions(found["predictions"])
    tested = found["images"]["tested"]
    said.append(
        f"With {tested[0]:,} and {tested[1]:,} images a true AUC of {apart['detectable']:.2f} is "
        "found in four of five cases; a smaller shift can go unseen."
    )
    return said


def shown_p(p: float) -> str:
    """A p value as text.

    Example:
        >>> shown_p(0.001), shown_p(0.2)
        ('p ≤ 0.001', 'p = 0.200')
    """
    return "p ≤ 0.001" if p <= 0.001 else f"p = {p:.3f}"


def _verdict(found: Mapping[str, Any]) -> str:
    if not found["drift"]:
        return (
            "No drift found: nothing tells the new images from the reference that chance would not "
            "explain."
        )
    shown = [_TESTS[name] for name, p in found["adjusted"].items() if p < LEVEL]
    value = found["told_apart"]["auc"]["value"]
    how = next(word for limit, word in _STRENGTHS if value < limit)
    return (
        f"Drift: the new images differ {how} from the reference, by {', '.join(shown)} (p values "
        "adjusted for the number of tests)."
    )


def _against_chance(distance: Mapping[str, float]) -> str:
    if distance["mmd2"] <= distance["chance"]:
        return f"as near as chance would have them (MMD² {distance['mmd2']:.4f})"
    times = distance["mmd2"] / max(distance["chance"], 1e-9)
    return f"{times:.2g} times as far as chance would put them (MMD² {distance['mmd2']:.4f})"


def _of_predictions(predictions: Mapping[str, Any]) -> list[str]:
    shares, sure = predictions["shares"], predictions["confidence"]
    old, new = shares["old"], shares["new"]
    moved = sorted(old, key=lambda name: -abs(new[name] - old[name]))[:_MOVED]
    changes = ", ".join(f"{name} {100 * old[name]:.0f} → {100 * new[name]:.0f} %" for name in moved)
    return [
        f"What the model says of them: {changes} ({shown_p(shares['p'])}).",
        f"How sure it is, on average: {100 * sure['old']:.0f} → {100 * sure['new']:.0f} % "
        f"({shown_p(sure['p'])}).",
    ]
