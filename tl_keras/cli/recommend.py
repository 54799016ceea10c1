"""``tl-keras recommend``: what to show to a customer, or beside an item."""

import argparse
import sys
from typing import Any

from tl_keras.cli.options import add_json, percent, print_json
from tl_keras.cli.where import add_where, read_where
from tl_keras.errors import InputError

_DAY = 86_400.0
_NOTHING = "nothing to show: no other item satisfies --where"
_EXAMPLES = """\
examples:
  tl-keras index products/ --out shop
  tl-keras recommend shop --events events.csv --customer anna
  tl-keras recommend shop --events events.csv --customer anna --where gender=Women "price<30"
  tl-keras recommend shop --item shirts/17.jpg -k 5       what is like one item
  tl-keras recommend shop --events events.csv --evaluate

events.csv has a row for everything a customer did:
  customer,item,kind,time
  anna,shirts/17.jpg,purchase,2024-05-01T12:30:00
kind is view, like, purchase or dislike.  An item is an id of the index (the path of its picture),
or the picture's name without folder and ending where only one has that name.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Suggest items of an indexed catalogue to a customer: like what he or she looked at, liked "
        "and bought, recent and decided things first, from all interests, nothing that is known "
        "already, each with its reason.  One of whom nothing is known is shown what most customers "
        "went for.  No model is run."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("index", metavar="DIR", help="the folder that `tl-keras index` wrote")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--customer", metavar="ID", help="suggest to this customer of the events")
    asked.add_argument("--item", metavar="ID", help="show what is like this item")
    asked.add_argument(
        "--evaluate",
        action="store_true",
        help="hold out each customer's last session and measure whether suggestions would have "
        "foreseen it: hit rate, nDCG and coverage, against showing what is popular",
    )
    parser.add_argument("--events", metavar="TABLE", help="what customers did: CSV, TSV or Parquet")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many (default: 10)")
    add_where(parser)
    parser.add_argument(
        "--diversity",
        type=float,
        metavar="SHARE",
        help="from 0, by relevance alone, to 1, as unlike each other as can be (default: 0.1)",
    )
    parser.add_argument(
        "--half-life",
        type=float,
        metavar="DAYS",
        help="in which what was done loses half of its weight (default: 30)",
    )
    parser.add_argument(
        "--noun",
        metavar="COLUMN",
        help='column of the catalogue that reasons name items by: "like the Shirts you bought" '
        "(default: label)",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Suggest, and print."""
    _check(options)
    from tl_keras.retrieval.events import Event, read_events, with_ids
    from tl_keras.retrieval.recommendation import Recommender
    from tl_keras.retrieval.vector_index import VectorIndex

    # What is searched for are vectors of its own: no model need be named.
    index = VectorIndex(options.index, VectorIndex(options.index).fingerprint)
    ids, where = index.ids(), read_where(options.where)
    if options.item is not None:
        (named,) = with_ids({"": [Event(options.item, "view", 0.0)]}, ids)[""]
        return _show_similar(index, named.item, where, options)
    histories = with_ids(read_events(options.events), ids)
    if options.noun is not None:
        index.count({options.noun: ""})  # refuses a column that no item has
    asked = {"diversity": options.diversity}
    if options.half_life is not None:
        asked["half_life"] = options.half_life * _DAY
    asked = {name: value for name, value in asked.items() if value is not None}
    recommender = Recommender(index, options.noun or "label")
    if options.evaluate:
        return _show_figures(recommender, histories, asked, options)
    return _show_suggestions(recommender, histories, where, asked, options)


def _check(options: argparse.Namespace) -> None:
    """Refuses options that do not go together."""
    if options.item is None and options.events is None:
        raise InputError("give --events as well: the table of what customers did")
    for name in ("events", "half_life", "diversity", "noun"):
        if options.item is not None and getattr(options, name) is not None:
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} has no effect with --item; leave one of them out")
    if options.evaluate and options.where:
        raise InputError("--where has no effect with --evaluate; leave one of them out")
    if options.evaluate and options.noun:
        raise InputError("--noun has no effect with --evaluate; leave one of them out")


def _show_similar(index: Any, item: str, where: Any, options: argparse.Namespace) -> int:
    from tl_keras.retrieval.recommendation import COLLAPSE

    hits = index.similar(item, options.k, where=where, collapse=COLLAPSE)
    if options.json:
        print_json({"item": item, "similar": [hit._asdict() for hit in hits]})
        return 0
    for place, hit in enumerate(hits, 1):
        print(f"{place:3}  {hit.score:.3f}  {hit.id}")
    if not hits:
        print(_NOTHING)
    return 0


def _show_suggestions(
    recommender: Any,
    histories: dict[str, list],
    where: Any,
    asked: dict[str, Any],
    options: argparse.Namespace,
) -> int:
    from tl_keras.retrieval.profiles import popularity

    events = histories.get(options.customer, [])
    counts = popularity(histories.values())
    found = recommender.suggest(events, options.k, where=where, popular=counts, **asked)
    profile = recommender.profile(events, **{k: v for k, v in asked.items() if k == "half_life"})
    notes = []
    if profile.gone:
        notes.append(
            f"{len(profile.gone)} items that {options.customer} had to do with are not in the "
            f"catalogue and left out (such as {min(profile.gone)})"
        )
    if not profile.interests:
        why = "has nothing to go by" if events else f"is not in {options.events}"
        notes.append(f"customer {options.customer} {why}: shown is what most customers went for")
        found = recommender.popular(counts, events, options.k, where=where)
    for note in notes:
        print(f"tl-keras: {note}", file=sys.stderr)
    if options.json:
        interests = [
            {"share": one.share, "items": [cause.item for cause in one.causes]}
            for one in profile.interests
        ]
        shown = [
            one._asdict() | {"because": one.because and one.because._asdict()} for one in found
        ]
        print_json(
            {
                "customer": options.customer,
                "interests": interests,
                "suggestions": shown,
                "notes": notes,
            }
        )
        return 0
    for place, one in enumerate(found, 1):
        because = f" ({one.because.item})" if one.because else ""
        print(f"{place:3}  {one.id}  {one.reason}{because}")
    if not found:
        print(_NOTHING)
    return 0


def _show_figures(
    recommender: Any,
    histories: dict[str, list],
    asked: dict[str, Any],
    options: argparse.Namespace,
) -> int:
    from tl_keras.retrieval.replaying import replay

    found = replay(recommender, histories, options.k, **asked)
    if options.json:
        print_json(found)
        return 0
    k = str(options.k)
    print(f"the last session of {found['recommended']['queries']} customers:")
    for name, figures in found.items():
        print(
            f"{name:<12} hit rate@{k} {percent(figures['hit_rate'][k])}, "
            f"nDCG@{k} {figures['ndcg'][k]['value']:.3f}, "
            f"coverage@{k} {100 * figures['coverage'][k]:.1f} %"
        )
    return 0
