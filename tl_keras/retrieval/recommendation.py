"""What to suggest to a customer: ranked, diversified, each with its reason."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval.diversity import diversified, places
from tl_keras.retrieval.events import Event
from tl_keras.retrieval.filters import conditions
from tl_keras.retrieval.profiles import (
    HALF_LIFE,
    MOST_ITEMS,
    WEIGHTS,
    Cause,
    Interest,
    group,
    weigh,
)
from tl_keras.retrieval.ranking import check_search
from tl_keras.retrieval.store import VectorStore

COLLAPSE = 0.98
"""Cosine from which an item all but repeats another."""
DIVERSITY = 0.1
"""Default of :meth:`Recommender.suggest`."""
ALIKE = 0.9
"""Share of the pairs of a catalogue that are less alike than two items of one interest."""
SUITS = 0.8
"""The same of an item and what is suggested as being like it."""
SHARPNESS = 4
"""Power of the likeness with which an item of the history speaks for another."""
POPULARITY = 0.5
"""Power of the number of customers (and one) that went for an item."""
DISLIKED = 0.5
"""What something just disliked takes from the score of what looks the same."""
_SAMPLE = 512
_CANDIDATES = 400  # of all interests together, at least
_RANKED = 200  # that diversity chooses from, at least
_DONE = {"view": "you looked at", "like": "you liked", "purchase": "you bought"}


class Suggestion(NamedTuple):
    """One item to show.

    Attributes:
        id: Of the item.
        score: How well it suits one interest, in relation to what suits that best: up to 1; below
            0 for what is like something disliked, or not much like anything.
        metadata: Its columns.
        because: The item of the customer's history that it is like, if it is for such a one.
        reason: The same in words: "like the Shirts you bought".
    """

    id: str
    score: float
    metadata: dict[str, Any]
    because: Cause | None
    reason: str


class Profile(NamedTuple):
    """What a customer is taken to like.

    Attributes:
        interests: Groups of items, the greatest share first.
        disliked: Items to keep away from.
        disliked_vectors: Theirs, float32 (N, D).
        met: Ids of all items of the history that the catalogue has.
        gone: Ids of those that it has not (any more).
    """

    interests: tuple[Interest, ...]
    disliked: tuple[Cause, ...]
    disliked_vectors: np.ndarray
    met: frozenset[str]
    gone: frozenset[str]


class Recommender:
    """Suggests items of a catalogue to its customers; nothing is trained.

    How alike two items are is measured by the catalogue's own pairs, because cosines of different
    models have different scales: 0 is the median of random pairs.  They are looked at once, when
    the recommender is made.

    Args:
        store: The catalogue's vectors.
        noun: The metadata column that a reason names an item by ("like the **shirt** you
            bought"); items without it are called "item".

    Raises:
        InputError: The catalogue has fewer than two items.

    Example:
        >>> recommender = Recommender(index, noun="articleType")  # doctest: +SKIP
        >>> events = [Event("shirt-7", "purchase", 1.7e9), Event("watch-2", "view", 1.7e9)]
        >>> recommender.suggest(events, k=5, where={"stock": {">": 0}})[0].reason  # doctest: +SKIP
        'like the Shirts you bought'
    """

    def __init__(self, store: VectorStore, noun: str = "label"):
        self.store, self.noun = store, noun
        ids = sorted(store.ids())
        if len(ids) < 2:
            raise InputError(f"the catalogue has {len(ids)} items; index at least two")
        rng = np.random.default_rng(0)
        some = rng.choice(len(ids), min(_SAMPLE, len(ids)), replace=False)
        vectors = store.vectors([ids[number] for number in some])
        cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        self._usual, self._suits, self._alike = np.quantile(cosines, (0.5, SUITS, ALIKE)).tolist()

    def profile(self, events: Sequence[Event], half_life: float = HALF_LIFE) -> Profile:
        """What a history says about a customer.

        Args:
            events: In any order; items that the catalogue does not have are left out.
            half_life: Seconds in which an event loses half of its weight.

        Raises:
            InputError: As of :func:`tl_keras.retrieval.profiles.weigh`.
        """
        liked, disliked = weigh(events, half_life)
        there, gone = self._known([cause.item for cause in (*liked, *disliked)])
        liked = [cause for cause in liked if cause.item in there][:MOST_ITEMS]
        disliked = [cause for cause in disliked if cause.item in there][:MOST_ITEMS]
        vectors = self.store.vectors([cause.item for cause in (*liked, *disliked)])
        return Profile(
            group(liked, vectors[: len(liked)], self._alike),
            tuple(disliked),
            vectors[len(liked) :],
            frozenset(there),
            frozenset(gone),
        )

    def suggest(
        self,
        events: Sequence[Event],
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = COLLAPSE,
        diversity: float = DIVERSITY,
        half_life: float = HALF_LIFE,
        popular: Mapping[str, int] | None = None,
    ) -> list[Suggestion]:
        """The k items to show to a customer; none that he or she has had to do with.

        Args:
            events: The customer's, in any order.
            k: How many; fewer come where no more satisfy ``where``.
            where: As in :meth:`tl_keras.retrieval.VectorIndex.search`: what is in stock, say.
            exclude: Ids to leave out besides.
            collapse: Cosine from which an item all but repeats another: it is shown neither beside
                it nor to one who knows it.  None: no such thing.
            diversity: 0 (by relevance alone) to 1; see
                :func:`tl_keras.retrieval.diversity.diversified`.
            half_life: Seconds in which an event loses half of its weight.
            popular: How many customers went for each item
                (:func:`tl_keras.retrieval.profiles.popularity`): of two that suit as well, the
                more popular one comes first.  None: looks alone decide.

        Returns:
            The suggestions, best first; none where nothing in the history speaks for anything (then
            show what is popular: :meth:`popular`).

        Raises:
            InputError: An argument is out of range.
        """
        left_out = check_search(k, exclude, collapse)
        if not 0 <= diversity <= 1:
            raise InputError(f"diversity: {diversity!r}; expected 0 (relevance alone) to 1")
        profile = self.profile(events, half_life)
        if not profile.interests:
            return []
        found = self._candidates(profile, k, where, left_out | profile.met)
        ids = sorted(found)
        vectors = self.store.vectors(ids)
        if collapse is not None:
            repeated = (vectors @ self.store.vectors(sorted(profile.met)).T).max(axis=1)
            fresh = np.flatnonzero(repeated < collapse)
            ids, vectors = [ids[number] for number in fresh], vectors[fresh]
        if not ids:
            return []
        relevance, causes = self._relevance(vectors, profile)
        if popular is not None:
            relevance *= (1 + np.array([popular.get(item, 0) for item in ids])) ** POPULARITY
        relevance = self._scores(relevance, vectors, profile)
        best = np.argsort(-relevance.max(axis=0), kind="stable")[: max(_RANKED, 4 * k)]
        cosines = vectors[best] @ vectors[best].T
        likeness = self._likeness(cosines, self._usual)
        if collapse is not None:
            likeness[cosines >= collapse] = np.nan
        turns = places([interest.share for interest in profile.interests], k)
        shown = [
            (interest, best[n])
            for interest, n in diversified(relevance[:, best], likeness, turns, diversity)
        ]
        because = [profile.interests[i].causes[causes[i, n]] for i, n in shown]
        nouns = self._nouns({cause.item for cause in because})
        suggestions = []
        for (i, n), cause in zip(shown, because, strict=True):
            score = float(relevance[i, n])
            how = "like" if score >= 0 else "nearest to"
            reason = f"{how} the {nouns[cause.item]} {_DONE[cause.kind]}"
            suggestions.append(Suggestion(ids[n], score, found[ids[n]], cause, reason))
        return suggestions

    def popular(
        self,
        counts: Mapping[str, int],
        events: Sequence[Event] = (),
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
    ) -> list[Suggestion]:
        """What most customers went for, for one of whom little is known.

        Args:
            counts: How many customers went for each item
                (:func:`tl_keras.retrieval.profiles.popularity`).
            events: Of the one to show it to, whose items are left out.
            k: How many.
            where: As in :meth:`suggest`.

        Returns:
            The suggestions, best first, scored in relation to the most popular item of all; items
            that nobody went for are none.

        Raises:
            InputError: An argument is out of range.
        """
        check_search(k, (), None)
        self.store.count(where)  # refuses what it does not know
        wanted = conditions(where)
        there, _ = self._known(list(counts))
        met, most = {event.item for event in events}, max(counts.values(), default=1)
        found: list[Suggestion] = []
        for item in sorted(there - met, key=lambda item: (-counts[item], item)):
            row = self.store.metadata([item])[0]
            if all(one.matches(row.get(one.name)) for one in wanted):
                found.append(Suggestion(item, counts[item] / most, row, None, "popular"))
            if len(found) == k:
                break
        return found

    def _candidates(
        self, profile: Profile, k: int, where: Mapping[str, Any] | None, left_out: frozenset[str]
    ) -> dict[str, dict[str, Any]]:
        """Metadata of the items nearest to each interest."""
        found: dict[str, dict[str, Any]] = {}
        many = max(_CANDIDATES // len(profile.interests), 4 * k)
        for interest in profile.interests:
            hits = self.store.search(interest.centre, many, where=where, exclude=sorted(left_out))
            found.update((hit.id, hit.metadata) for hit in hits)
        return found

    def _known(self, ids: list[str]) -> tuple[set[str], set[str]]:
        """Which items the catalogue has, and which it has not."""
        try:
            self.store.vectors(ids)
        except InputError:
            there = set(self.store.ids())
            return set(ids) & there, set(ids) - there
        return set(ids), set()

    def _likeness(self, cosines: np.ndarray, zero: float) -> np.ndarray:
        """Cosines on a scale of 0 for ``zero`` and less, to 1."""
        return np.clip((cosines - zero) / max(1 - zero, 1e-6), 0, 1)

    def _relevance(self, vectors: np.ndarray, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
        """How much each interest speaks for each candidate, and which of its items does most.

        A kernel density: the weights of its items, times their likeness to the candidate to the
        power of ``SHARPNESS``.

        Returns:
            Two tables (I, N); the second holds positions among the causes.
        """
        spoken, most = [], []
        for interest in profile.interests:
            weights = np.array([cause.weight for cause in interest.causes])
            likeness = self._likeness(vectors @ interest.vectors.T, self._usual)
            each = likeness**SHARPNESS * weights
            spoken.append(each.sum(axis=1))
            most.append(each.argmax(axis=1))
        return np.array(spoken), np.array(most)

    def _scores(self, relevance: np.ndarray, vectors: np.ndarray, profile: Profile) -> np.ndarray:
        """Relevance in relation to the best of each interest, less what was disliked, (I, N).

        Below 0 where a candidate is not like any item of the interest.
        """
        scores = relevance / relevance.max(axis=1, keepdims=True).clip(min=1e-12)
        for row, interest in enumerate(profile.interests):
            scores[row, (vectors @ interest.vectors.T).max(axis=1) < self._suits] -= 1
        if profile.disliked:
            weights = np.array([cause.weight for cause in profile.disliked]) / WEIGHTS["dislike"]
            near = self._likeness(vectors @ profile.disliked_vectors.T, self._alike)
            scores -= DISLIKED * (near * weights.clip(max=1)).max(axis=1)
        return scores

    def _nouns(self, items: set[str]) -> dict[str, str]:
        """What to call items."""
        ids = sorted(items)
        rows = self.store.metadata(ids)
        return {one: str(row.get(self.noun) or "item") for one, row in zip(ids, rows, strict=True)}
