"""What customers did, from a log: views, likes, purchases and dislikes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

from tl_keras.data.reading.table_files import read_table, shown
from tl_keras.data.times import read_times
from tl_keras.errors import InputError

KINDS = ("view", "like", "purchase", "dislike")
COLUMNS = ("customer", "item", "kind", "time")
SESSION_GAP = 30 * 60.0
"""Seconds without an event after which another session begins, as web analytics count them."""


class Event(NamedTuple):
    """One thing that a customer did.

    Attributes:
        item: Id of the item.
        kind: One of ``KINDS``.
        time: Seconds since 1970, or since any other moment, the same for all.

    Example:
        >>> Event("shirt-7", "purchase", 1_700_000_000.0).kind
        'purchase'
    """

    item: str
    kind: str
    time: float


def read_events(path: str | os.PathLike) -> dict[str, list[Event]]:
    """Reads a log: CSV, TSV or Parquet with the columns customer, item, kind and time.

    Args:
        path: The table.  Kinds are view, like, purchase and dislike; times are dates as ISO 8601
            writes them (``2024-05-01``, ``2024-05-01T12:30:00+02:00``), or numbers: seconds.

    Returns:
        From customers to their events, the oldest first.

    Raises:
        InputError: No such table, a column is missing, or a cell cannot be understood.

    Example:
        >>> read_events("events.csv")["anna"][-1]  # doctest: +SKIP
        Event(item='shirt-7', kind='purchase', time=1700000000.0)
    """
    table = read_table(path)
    names = {name.strip().lower(): name for name in table.columns}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r}, only {', '.join(map(shown, table.columns))}; "
            f"a log of events has the columns {', '.join(COLUMNS)}"
        )
    if table.skipped:
        raise InputError(f"{path}, {table.skipped[0].reason}; mend the table")
    customers, items, kinds, moments = (
        [cell.strip() for cell in table.columns[names[name]]] for name in COLUMNS
    )
    times = read_times(moments)
    events: dict[str, list[Event]] = {}
    rows = zip(customers, items, [kind.lower() for kind in kinds], times, strict=True)
    for at, (customer, item, kind, time) in enumerate(rows):
        if not customer or not item:
            what, wanted = "no customer" if not customer else "no item", "fill it in"
        elif kind not in KINDS:
            what = f"kind {shown(kinds[at])}"
            wanted = f"expected one of {', '.join(KINDS)}"
        elif time is None:
            what = f"time {shown(moments[at])}"
            wanted = "expected dates such as 2024-05-01T12:30:00, or seconds in all rows"
        else:
            events.setdefault(customer, []).append(Event(item, kind, time))
            continue
        raise InputError(f"{path}, row {table.numbers[at]}: {what}; {wanted}")
    for one in events.values():
        one.sort(key=lambda event: event.time)
    return events


def last_session(
    events: Sequence[Event], gap: float = SESSION_GAP
) -> tuple[list[Event], list[Event]]:
    """Cuts a customer's events before the last session.

    Args:
        events: The oldest first.
        gap: Seconds without an event after which another session begins.

    Returns:
        All before, and the last session; one of a customer with a single session has nothing
        before it.

    Example:
        >>> before, last = last_session([Event("a", "view", 0), Event("b", "view", 9e4)])
        >>> [event.item for event in before], [event.item for event in last]
        (['a'], ['b'])
    """
    cut = len(events)
    while cut > 0 and (cut == len(events) or events[cut].time - events[cut - 1].time < gap):
        cut -= 1
    return list(events[:cut]), list(events[cut:])


def with_ids(
    histories: Mapping[str, Sequence[Event]], ids: Iterable[str]
) -> dict[str, list[Event]]:
    """Events by the ids of a catalogue, where a log names products as shops do.

    Args:
        histories: From customers to their events, whose items are ids, or the names of picture
            files without folder and ending.
        ids: Of the catalogue.

    Returns:
        The histories; an item that is neither, or a name that several have, stays as it is.

    Example:
        >>> found = with_ids({"anna": [Event("17", "view", 0.0)]}, ["shirts/17.jpg", "18.jpg"])
        >>> found["anna"][0].item
        'shirts/17.jpg'
    """
    known, by_name = set(), {}
    for one in ids:
        known.add(one)
        name = PurePath(one).stem
        by_name[name] = one if name not in by_name else None

    def renamed(event: Event) -> Event:
        meant = None if event.item in known else by_name.get(event.item)
        return event if meant is None else event._replace(item=meant)

    return {customer: [renamed(one) for one in some] for customer, some in histories.items()}
