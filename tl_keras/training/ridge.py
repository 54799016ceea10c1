"""Ridge regression in closed form, with every row's score when that row is left out."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# More rows hardly move the penalty, and the algebra grows with the cube of the smaller side.
MOST_ROWS = 4_000
_PENALTIES = np.logspace(-4, 1, 6)
_BLOCK = 8_192


class LinearFit(NamedTuple):
    """Scores that are linear in features.

    Attributes:
        kernel: float64 (D, K).
        bias: float64 (K,).
        rows: Positions (R,) of the rows that were left out in turn.
        left_out: float64 (R, K), the scores of each of them by a fit without it.
        penalty: That the fit was made with, in units of the mean squared singular value.

    Example:
        >>> fit = ridge(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[0.0], [0], [1], [1]]))
        >>> fit.kernel.shape, fit.left_out.shape
        ((1, 1), (4, 1))
    """

    kernel: np.ndarray
    bias: np.ndarray
    rows: np.ndarray
    left_out: np.ndarray
    penalty: float

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Scores, float64 (N, K), of features (N, D)."""
        return np.asarray(features, "float64") @ self.kernel + self.bias


def ridge(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    judge: Callable[[np.ndarray, np.ndarray], float] | None = None,
    penalty: float | None = None,
) -> LinearFit:
    """Fit scores to targets by least squares with a penalty on the kernel, none on the bias.

    The residual of a row that is left out is its residual divided by one minus its leverage
    (Allen's PRESS, 1974), so one decomposition gives all fits.  The penalty is the one of six whose
    left-out scores are best, found on 4,000 rows at most; of more rows the fit is made by the
    normal equations.

    Args:
        features: (N, D), finite.
        targets: (N, K), such as one-hot rows.
        weights: (N,) above 0, how much each row counts; by default all the same.
        judge: Says of positions (R,) and their left-out scores (R, K) how bad these are; by default
            the weighted squared error.
        penalty: Take this one instead, in units of the mean squared singular value.

    Returns:
        The fit.

    Example:
        >>> x = np.concatenate([np.zeros((5, 2)), np.ones((5, 2))])
        >>> fit = ridge(x, np.eye(2)[np.repeat([0, 1], 5)])
        >>> fit.left_out.argmax(axis=1).tolist()
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """
    x, y = np.asarray(features), np.asarray(targets, "float64")
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, "float64")
    rows = np.arange(len(y))
    if len(y) > MOST_ROWS:
        rows = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
    some = _Decomposed(x[rows].astype("float64"), y[rows], weights[rows])
    tried = _PENALTIES if penalty is None else [penalty]
    fits = [(one, some.left_out(one)) for one in tried]

    def error(rows: np.ndarray, scores: np.ndarray) -> float:
        return float((weights[rows, None] * np.square(y[rows] - scores)).sum())

    worse = error if judge is None else judge
    penalty, left_out = min(fits, key=lambda fit: worse(rows, fit[1]))
    solved = some.solution(penalty) if len(rows) == len(y) else _normal(x, y, weights, penalty)
    return LinearFit(*solved, rows, left_out, float(penalty))


class _Decomposed:
    """Centred, weighted rows in the basis of their singular vectors."""

    def __init__(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> None:
        self._y, self._root = y, np.sqrt(weights)[:, None]
        self._means = np.average(x, 0, weights), np.average(y, 0, weights)
        self._x = (x - self._means[0]) * self._root
        self._targets = (y - self._means[1]) * self._root
        self._basis, self._strength = principal(self._x)
        self._within = self._basis.T @ self._targets

    def _penalty(self, penalty: float) -> float:
        return penalty * self._strength.mean()

    def left_out(self, penalty: float) -> np.ndarray:
        kept = self._strength / (self._strength + self._penalty(penalty))
        residual = self._targets - self._basis @ (kept[:, None] * self._within)
        # The mean that was taken off is a fitted value too, with a leverage of its own.
        mean = np.square(self._root[:, 0]) / np.square(self._root).sum()
        leverage = np.square(self._basis) @ kept + mean
        error = residual / self._root / np.maximum(1 - leverage, 1e-9)[:, None]
        return self._y - error

    def solution(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        inverse = 1 / (self._strength + self._penalty(penalty))
        kernel = self._x.T @ (self._basis @ (inverse[:, None] * self._within))
        return kernel, self._means[1] - self._means[0] @ kernel


def _normal(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same solution from products of blocks, so that no copy of all rows is needed."""
    total = weights.sum()
    means = np.zeros(x.shape[1]), np.average(y, 0, weights)
    for some in _blocks(len(y)):
        means[0][:] += weights[some] @ x[some].astype("float64") / total
    gram, cross = np.zeros((x.shape[1],) * 2), np.zeros((x.shape[1], y.shape[1]))
    for some in _blocks(len(y)):
        centred = x[some].astype("float64") - means[0]
        weighted = centred * weights[some, None]
        gram += centred.T @ weighted
        cross += weighted.T @ (y[some] - means[1])
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(values[-1], 0) * 1e-10
    values, vectors = values[kept], vectors[:, kept]
    inverse = 1 / (values + penalty * values.mean()) if len(values) else values
    kernel = vectors @ (inverse[:, None] * (vectors.T @ cross))
    return kernel, means[1] - means[0] @ kernel


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]


def principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors of rows, and their squared singular values.

    Args:
        x: float64 (N, D), finite; it is not centred here.

    Returns:
        Orthonormal columns (N, R) that span the columns of ``x``, and their strengths (R,), R its
        rank; where all of ``x`` is 0, one column of zeros of strength 1.

    Example:
        >>> principal(np.array([[3.0, 0.0], [0.0, 0.0]]))[1].tolist()
        [9.0]
    """
    wide = x.shape[0] <= x.shape[1]
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > max(values[-1], 0) * 1e-10
    if not kept.any():  # All rows are equal: nothing to tell the classes apart by.
        return np.zeros((len(x), 1)), np.ones(1)
    values, vectors = values[kept], vectors[:, kept]
    return (vectors if wide else x @ vectors / np.sqrt(values)), values
