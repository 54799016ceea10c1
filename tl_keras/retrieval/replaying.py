"""Recommendation tried on a log: would it have shown what customers went for next?"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tl_keras.errors import InputError
from tl_keras.evaluation.recommendation_metrics import evaluate_suggestions
from tl_keras.retrieval.events import Event, last_session
from tl_keras.retrieval.profiles import popularity, weigh
from tl_keras.retrieval.recommendation import Recommender


class Trial(NamedTuple):
    """A customer whose last session is held out.

    Attributes:
        before: The events before it.
        wanted: What it holds that is new to the customer, in the catalogue, and not disliked.
    """

    before: list[Event]
    wanted: frozenset[str]


def trials(
    histories: Mapping[str, Sequence[Event]], catalogue: Collection[str]
) -> dict[str, Trial]:
    """Holds out the last session of each customer.

    Args:
        histories: From customers to their events, the oldest first.
        catalogue: The ids that can be suggested.

    Returns:
        Of those customers that have a session before, and something to be foreseen in the last.

    Example:
        >>> events = [Event("a", "view", 0), Event("b", "like", 1e5), Event("a", "view", 1e5)]
        >>> trials({"anna": events}, {"a", "b"})["anna"].wanted
        frozenset({'b'})
    """
    there, found = set(catalogue), {}
    for customer, events in histories.items():
        before, last = last_session(events)
        wanted = {cause.item for cause in weigh(last)[0]} & there
        wanted -= {event.item for event in before}
        if before and wanted:
            found[customer] = Trial(before, frozenset(wanted))
    return found


def unmet(items: Iterable[str], events: Sequence[Event], k: int) -> list[str]:
    """The first k of a list that a customer has not had to do with.

    Example:
        >>> unmet(["a", "b", "c"], [Event("a", "view", 0)], 1)
        ['b']
    """
    met = {event.item for event in events}
    return [item for item in items if item not in met][:k]


def replay(
    recommender: Recommender,
    histories: Mapping[str, Sequence[Event]],
    k: int = 10,
    **options: Any,
) -> dict[str, Any]:
    """Measures a recommender on a log, against suggesting what is popular.

    Every customer's last session is held out; what is suggested for the events before it, and for
    what was popular without it, is compared with what the customer then went for.  A customer
    whose events speak for nothing is shown what is popular, as the command does.  Shops steer what
    customers see, so that figures of a log compare methods, and tell of no sales.

    Args:
        recommender: To be tried.
        histories: From customers to their events, the oldest first.
        k: How many suggestions.
        options: Of :meth:`~tl_keras.retrieval.Recommender.suggest`, but for ``popular``.

    Returns:
        ``recommended`` and ``popular``, each what
        :func:`~tl_keras.evaluation.recommendation_metrics.evaluate_suggestions` returns.

    Raises:
        InputError: No customer has two sessions with something new in the last.

    Example:
        >>> found = replay(recommender, read_events("events.csv"))  # doctest: +SKIP
        >>> found["recommended"]["hit_rate"]["10"]["value"]  # doctest: +SKIP
    """
    catalogue = set(recommender.store.ids())
    found = trials(histories, catalogue)
    if not found:
        raise InputError(
            "no customer has two sessions with something new in the last: nothing can be foreseen"
        )
    counts = popularity(
        found[name].before if name in found else events for name, events in histories.items()
    )
    liked = [item for item in counts if item in catalogue]
    simply = [unmet(liked, trial.before, k) for trial in found.values()]
    shown = []
    for trial, instead in zip(found.values(), simply, strict=True):
        suggestions = recommender.suggest(trial.before, k, popular=counts, **options)
        shown.append([suggestion.id for suggestion in suggestions] or instead)
    wanted = [trial.wanted for trial in found.values()]
    return {
        "recommended": evaluate_suggestions(shown, wanted, len(catalogue), ks=[k]),
        "popular": evaluate_suggestions(simply, wanted, len(catalogue), ks=[k]),
    }
