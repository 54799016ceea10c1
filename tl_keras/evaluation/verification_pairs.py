"""Pairs of pictures, of one person and of two, and their cosines."""

from typing import Any

import numpy as np

from tl_keras.errors import InputError

_ROWS = 65536
# Unit vectors in half precision are off by about this much.
_OFF = 5e-3


def identities(labels: Any) -> np.ndarray:
    """Labels, checked.

    Args:
        labels: (N,) integers.

    Returns:
        int64 (N,).

    Raises:
        InputError: They are none.

    Example:
        >>> identities([3, 3, 1]).tolist()
        [3, 3, 1]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(
            f"labels are {labels.dtype} of shape {labels.shape}; give a whole number for each "
            "picture, such as np.unique(names, return_inverse=True)[1]"
        )
    return labels.astype("int64")


def unit_rows(vectors: Any, labels: Any) -> np.ndarray:
    """Vectors, checked: a row of length 1 for each label.

    Args:
        vectors: float (N, D).
        labels: (N,) integers.

    Returns:
        float32 (N, D).

    Raises:
        InputError: The shapes do not fit, or a row has another length.

    Example:
        >>> unit_rows([[0.6, 0.8]], [0]).shape
        (1, 2)
    """
    vectors, labels = np.asarray(vectors, "float32"), identities(labels)
    if vectors.ndim != 2 or len(vectors) != len(labels):
        raise InputError(
            f"vectors of shape {vectors.shape} for {len(labels)} labels; give (N, D) and (N,)"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < _OFF))
    if len(wrong):
        raise InputError(
            f"vector {wrong[0]} has length {lengths[wrong[0]]:.3g}, not 1; give what an embedder "
            "says (tl_keras.build_embedder, embedder_of)"
        )
    return vectors


def verification_pairs(
    labels: Any, *, limit: int = 200_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of pictures, of one person and of two.

    Args:
        labels: (N,) integers: who is in each picture.
        limit: At most so many pairs of each kind; where there are more, a random choice.
        seed: Of the choice.

    Returns:
        Positions of the first and of the second picture, int64 (P,), never the same one, no pair
        twice; and whether both are of one person, bool (P,).

    Raises:
        InputError: There is no pair of one person, or none of two.

    Example:
        >>> first, second, same = verification_pairs([7, 7, 8])
        >>> list(zip(first.tolist(), second.tolist(), same.tolist()))
        [(0, 1, True), (0, 2, False), (1, 2, False)]
    """
    people, who, counts = np.unique(identities(labels), return_inverse=True, return_counts=True)
    if len(people) < 2 or counts.max() < 2:
        raise InputError(
            f"{len(who)} pictures of {len(people)} people make no pairs of both kinds; give two or "
            "more people, one of them with two or more pictures"
        )
    rng = np.random.default_rng(seed)
    members = np.split(np.argsort(who, kind="stable"), np.cumsum(counts)[:-1])
    genuine = counts * (counts - 1) // 2
    if genuine.sum() <= limit:
        parts = [rows[np.stack(np.triu_indices(len(rows), 1))] for rows in members]
        alike = np.concatenate(parts, 1)
    else:
        chosen = rng.choice(len(people), limit, p=genuine / genuine.sum())
        starts = np.cumsum(counts) - counts
        one = rng.integers(counts[chosen])
        other = (one + 1 + rng.integers(counts[chosen] - 1)) % counts[chosen]
        alike = np.concatenate(members)[starts[chosen] + np.stack([one, other])]
    total = len(who) * (len(who) - 1) // 2
    if total - genuine.sum() <= limit:
        after = np.concatenate(members)
        parts = []
        for rows in members:
            after = after[len(rows) :]
            parts.append(np.stack([np.repeat(rows, len(after)), np.tile(after, len(rows))]))
        unlike = np.concatenate(parts, 1)
    else:
        unlike = rng.integers(len(who), size=(2, 0))
        while unlike.shape[1] < limit:
            more = rng.integers(len(who), size=(2, 2 * limit))
            unlike = np.concatenate([unlike, more[:, who[more[0]] != who[more[1]]]], 1)
        unlike = unlike[:, :limit]
    # A pair as one number, so that one that was drawn twice is kept once.
    codes = [np.unique(pairs.min(0) * len(who) + pairs.max(0)) for pairs in (alike, unlike)]
    first, second = np.divmod(np.concatenate(codes), len(who))
    return first, second, np.arange(len(first)) < len(codes[0])


def pair_scores(vectors: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines of pairs.

    Args:
        vectors: float (N, D), each of length 1, of ``build_embedder``.
        first: Positions (P,).
        second: Positions (P,).

    Returns:
        float32 (P,).

    Example:
        >>> pair_scores([[1.0, 0.0], [0.6, 0.8]], [0], [1]).tolist()
        [0.6000000238418579]
    """
    vectors = np.asarray(vectors, "float32")
    parts = [np.zeros(0, "float32")]
    for start in range(0, len(first), _ROWS):
        rows = slice(start, start + _ROWS)
        parts.append(np.einsum("pd,pd->p", vectors[first[rows]], vectors[second[rows]]))
    return np.concatenate(parts)
