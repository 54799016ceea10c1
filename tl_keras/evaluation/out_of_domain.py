"""Is an image like anything that a classifier was trained on?"""

from typing import Any, NamedTuple

import numpy as np

from tl_keras.data.checking.neighbours import unit_rows
from tl_keras.errors import InputError
from tl_keras.evaluation.neighbours import exact_neighbours

#: Of images like those of training so many are not called strange.
PASSES = 0.95
_MOST_HELD = 1000  # quantiles of held-out scores that are kept


class Familiarity(NamedTuple):
    """How one image compares with what was trained on.

    Attributes:
        neighbours: The share of held-out images that lie as far from the training images as this
            one, or farther, 0..1: small is strange.
        energy: The share of held-out images whose logits say as little as those of this one, or
            less.
        unlike: Whether it is stranger than 95 % of images like those of training are, by its
            neighbours.

    Example:
        >>> Familiarity(0.02, 0.4, True).unlike
        True
    """

    neighbours: float
    energy: float
    unlike: bool


class Domain(NamedTuple):
    """What a classifier was trained on, as far as it is needed to tell that an image is not it.

    Attributes:
        rows: float16 (N, D), features of training images, of length 1.
        neighbours: Ascending distances of held-out images from these, float64 (H,).
        energies: Ascending energies of the same, float64 (H,).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> seen, held = rng.normal(size=(2, 40, 8)) + 3
        >>> domain = domain_of(seen, held, held[:, :2])
        >>> judged(domain, -held[:1], held[:1, :2])[0].unlike
        True
    """

    rows: np.ndarray
    neighbours: np.ndarray
    energies: np.ndarray


def domain_of(trained: Any, held_out: Any, logits: Any) -> Domain:
    """Learn from training images where a model is at home, and from others how far one may be.

    Args:
        trained: Features (N, D) of training images.
        held_out: Features (H, D) of images that were not trained on.
        logits: Of those, (H, C).

    Raises:
        InputError: There are none, or they do not fit each other.
    """
    trained, held_out, logits = (
        np.asarray(each, "float32") for each in (trained, held_out, logits)
    )
    fits = trained.ndim == held_out.ndim == 2 and trained.shape[1] == held_out.shape[1]
    if not fits or not len(trained) or not len(held_out) or len(logits) != len(held_out):
        raise InputError(
            f"features {trained.shape} of training images and {held_out.shape} of others, with "
            f"logits {logits.shape}, do not fit each other; give (N, D), (H, D) and (H, C)"
        )
    rows = unit_rows(trained).astype("float16")
    scores = neighbour_distances(rows, held_out), energies(logits)
    return Domain(rows, *(_some(np.sort(found)) for found in scores))


def judged(domain: Domain, features: Any, logits: Any) -> list[Familiarity]:
    """How images compare with what was trained on.

    The share of held-out images that are as strange is the p-value of Bates et al. 2023,
    arXiv:2104.08279: of images drawn like these, no more than 5 % have one of 0.05 or less.  With
    fewer than 19 of them nothing can be called strange.

    Args:
        domain: Of the model.
        features: (N, D).
        logits: (N, C).
    """
    distances = neighbour_distances(domain.rows, features)
    near = _shares(domain.neighbours, distances)
    said = _shares(domain.energies, energies(logits))
    limit = 1 - PASSES + 1e-9
    return [
        Familiarity(float(n), float(e), bool(n <= limit)) for n, e in zip(near, said, strict=True)
    ]


def neighbour_distances(rows: np.ndarray, features: Any) -> np.ndarray:
    """How far images lie from what was trained on: one less the cosine with the nearest of it.

    Sun et al. 2022, arXiv:2204.06507: deep nearest neighbours need no assumption on how features
    are spread.  The very nearest, for a class may have two images.

    Args:
        rows: Of a :class:`Domain`.
        features: (N, D).

    Returns:
        float64 (N,), 0..2.

    Example:
        >>> neighbour_distances(np.eye(3, dtype="float16"), [[2.0, 2.0, 2.0]]).round(3)
        array([0.423])
    """
    _, cosines = exact_neighbours(np.asarray(rows, "float32"), unit_rows(features), 1)
    return 1 - cosines[:, 0].astype("float64")


def energies(logits: Any) -> np.ndarray:
    """The free energy of logits: high where no class speaks for itself.

    Liu et al. 2020, arXiv:2010.03759.  It takes logits themselves: probabilities tell them up to a
    constant only, which is the energy.

    Args:
        logits: (N, C).

    Returns:
        float64 (N,).

    Example:
        >>> energies([[0.0, 0.0], [5.0, 0.0]]).round(2)
        array([-0.69, -5.01])
    """
    logits = np.asarray(logits, "float64")
    highest = logits.max(1, keepdims=True)
    return -(highest[:, 0] + np.log(np.exp(logits - highest).sum(1)))


def _shares(held: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Shares of held-out scores, and of the own one, that are as high."""
    as_high = len(held) - np.searchsorted(held, found, side="left")
    return (as_high + 1) / (len(held) + 1)


def _some(ascending: np.ndarray) -> np.ndarray:
    """The scores, or as many quantiles of them as are kept."""
    if len(ascending) <= _MOST_HELD:
        return ascending
    return np.quantile(ascending, np.arange(1, _MOST_HELD + 1) / (_MOST_HELD + 1))
