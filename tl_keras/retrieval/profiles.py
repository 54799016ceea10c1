"""A customer's profile: several interests, from what he or she looked at, liked and bought."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval.events import Event

WEIGHTS = {"view": 1.0, "like": 3.0, "purchase": 5.0, "dislike": 3.0}
"""What an event counts for; a dislike counts against."""
HALF_LIFE = 30 * 86_400.0
"""Seconds in which an event loses half of its weight."""
MOST_ITEMS = 200
"""Items of a history that are looked at: the ones with the most weight."""

_MOST_HALVINGS = 500.0  # beyond, a weight would become 0, and a share 0 / 0


class Cause(NamedTuple):
    """An item that a customer had to do with.

    Attributes:
        item: Its id.
        kind: The strongest that happened: "purchase" before "like" before "view".
        weight: Of all its events together, faded by their age; the newest event has that of its
            kind.

    Example:
        >>> Cause("shirt-7", "purchase", 5.0).kind
        'purchase'
    """

    item: str
    kind: str
    weight: float


class Interest(NamedTuple):
    """Items that are alike.

    Attributes:
        centre: float32 unit vector, (D,): their mean, weighted.
        share: Of the weight of all interests, above 0 and up to 1.
        causes: The items, the weightiest first.
        vectors: Theirs, float32 unit vectors, (N, D).
    """

    centre: np.ndarray
    share: float
    causes: tuple[Cause, ...]
    vectors: np.ndarray


def weigh(events: Sequence[Event], half_life: float = HALF_LIFE) -> tuple[list[Cause], list[Cause]]:
    """Sums up a history by item.

    An event's weight is that of its kind, halved for every ``half_life`` since.  As a profile
    knows shares alone, ages count from the newest event, and the answer is the same tomorrow.
    Where a customer disliked an item and neither liked nor bought it afterwards, it is disliked.

    Args:
        events: In any order.
        half_life: In the unit of the times, above 0.

    Returns:
        Items that speak for themselves, and disliked ones, each the weightiest first.

    Raises:
        InputError: ``half_life`` is not above 0, or an event's kind is unknown.

    Example:
        >>> liked, disliked = weigh([Event("a", "view", 0), Event("b", "view", 30 * 86400)])
        >>> [(cause.item, cause.weight) for cause in liked]
        [('b', 1.0), ('a', 0.5)]
    """
    if not half_life > 0:
        raise InputError(f"half_life: {half_life!r}; expected a time above 0")
    newest = max((event.time for event in events), default=0.0)
    weights: dict[str, dict[str, float]] = {}
    verdicts: dict[str, str] = {}
    for event in sorted(events, key=lambda event: event.time):
        if event.kind not in WEIGHTS:
            raise InputError(f"kind {event.kind!r}: expected one of {', '.join(WEIGHTS)}")
        of = weights.setdefault(event.item, {})
        halvings = min((newest - event.time) / half_life, _MOST_HALVINGS)
        faded = WEIGHTS[event.kind] * 0.5**halvings
        of[event.kind] = of.get(event.kind, 0.0) + faded
        if event.kind != "view":
            verdicts[event.item] = event.kind
    liked, disliked = [], []
    for item, of in weights.items():
        against = of.pop("dislike", 0.0)
        if verdicts.get(item) == "dislike":
            disliked.append(Cause(item, "dislike", against))
        else:
            kind = max(of, key=WEIGHTS.__getitem__)
            liked.append(Cause(item, kind, sum(of.values())))
    for found in (liked, disliked):
        found.sort(key=lambda cause: (-cause.weight, cause.item))
    return liked, disliked


def popularity(histories: Iterable[Sequence[Event]]) -> dict[str, int]:
    """How many customers looked at, liked or bought each item, and did not dislike it.

    Args:
        histories: The events of each customer.

    Returns:
        From ids to customers, the most popular first; by id where as many did.

    Example:
        >>> popularity([[Event("a", "view", 0)], [Event("b", "like", 0), Event("a", "view", 1)]])
        {'a': 2, 'b': 1}
    """
    counts: dict[str, int] = {}
    for events in histories:
        for cause in weigh(events)[0]:
            counts[cause.item] = counts.get(cause.item, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def group(causes: Sequence[Cause], vectors: np.ndarray, alike: float) -> tuple[Interest, ...]:
    """Puts items that are alike together: not one mean of a shirt and a watch, but two interests.

    Agglomerative clustering as in PinnerSage (Pal et al. 2020, arXiv:2007.03634), here by average
    linkage (Sokal and Michener 1958): the two groups whose items have the highest mean cosine are
    joined, as long as it is at least ``alike``.

    Args:
        causes: Items, each once.
        vectors: Their unit vectors, float32 (N, D).
        alike: Mean cosine from which two groups are one.

    Returns:
        The interests, the greatest share first.

    Example:
        >>> vectors = np.float32([[1, 0], [0, 1], [0.8, 0.6]])
        >>> causes = [Cause("a", "view", 1.0), Cause("b", "view", 1.0), Cause("c", "like", 3.0)]
        >>> [[cause.item for cause in one.causes] for one in group(causes, vectors, 0.7)]
        [['c', 'a'], ['b']]
    """
    if not causes:
        return ()
    units, vectors = vectors, np.asarray(vectors, np.float64)
    groups = [[number] for number in range(len(causes))]
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    sizes = np.ones(len(causes))
    while len(groups) > 1:
        a, b = np.unravel_index(cosines.argmax(), cosines.shape)
        if cosines[a, b] < alike:
            break
        # The mean over the pairs of both, from the means of each.
        joined = (sizes[a] * cosines[a] + sizes[b] * cosines[b]) / (sizes[a] + sizes[b])
        cosines[a], cosines[:, a] = joined, joined
        cosines[a, a] = -np.inf
        sizes[a] += sizes[b]
        groups[a] += groups[b]
        del groups[b]
        sizes = np.delete(sizes, b)
        cosines = np.delete(np.delete(cosines, b, 0), b, 1)
    weights = np.array([cause.weight for cause in causes])
    found = []
    for members in groups:
        members = sorted(members, key=lambda number: (-weights[number], number))
        centre = weights[members] @ vectors[members]
        share = float(weights[members].sum() / weights.sum())
        centre = (centre / np.linalg.norm(centre)).astype(np.float32)
        found.append(
            Interest(centre, share, tuple(causes[number] for number in members), units[members])
        )
    return tuple(sorted(found, key=lambda one: -one.share))
