"""``tl-keras search``: what in a catalogue is most like a picture."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tl_keras.cli import search_evaluate, search_serve
from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.cli.search_evaluate import add_evaluating
from tl_keras.cli.search_serve import add_serving
from tl_keras.cli.startup import start_keras
from tl_keras.cli.where import add_where, read_where
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras search shop-index query.jpg
  tl-keras search shop-index query.jpg -k 5 --where gender=Women "price<30"
  tl-keras search shop-index query.jpg --collapse          of near-copies only the best
  tl-keras search shop-index query.jpg --picture hits.png
  tl-keras search shop-index photos/*.jpg --json
  tl-keras search shop-index --serve                       a page to look at
  tl-keras search shop-index --evaluate --by articleType --output search-report

A query that is in the catalogue is not among its own results. The score is the cosine, 1 for the
same.
"""
_K = 10
_COLLAPSE = 0.98
_WORDS = 3  # lines below a picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "Find the pictures of a catalogue that are most like a given one."
    parser.epilog = _EXAMPLES
    parser.add_argument("index", metavar="DIR", help="the folder that `tl-keras index` wrote")
    parser.add_argument("queries", metavar="QUERY", nargs="*", help="image files")
    parser.add_argument("-k", type=int, metavar="N", help=f"how many to find (default: {_K})")
    add_where(parser)
    parser.add_argument(
        "--collapse",
        nargs="?",
        type=float,
        const=_COLLAPSE,
        metavar="COSINE",
        help="of pictures that all but repeat each other, show the best, and say how many more "
        f"there are; from this cosine on (default: {_COLLAPSE}; with a model trained for likeness, "
        "which brings whole classes together, rather 0.999)",
    )
    parser.add_argument(
        "--picture", metavar="PNG", help="also draw queries and hits; must not exist yet"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="where the model of the index lies by now (default: where it was)",
    )
    add_serving(parser)
    add_evaluating(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Search, serve a page or measure, as was asked for."""
    ways = _asked(options)
    if "--serve" in ways:
        return search_serve.run(options)
    if "--evaluate" in ways:
        return search_evaluate.run(options)
    return _search(options)


def _asked(options: argparse.Namespace) -> list[str]:
    """The one thing that is asked for, without options that would have no effect on it.

    Raises:
        InputError: Nothing is, or more, or such an option.
    """
    given = {
        "QUERY": bool(options.queries), "--serve": options.serve,
        "--evaluate": options.evaluate is not None,
    }  # fmt: skip
    ways = [name for name, said in given.items() if said]
    if len(ways) != 1:
        raise InputError(
            f"{' and '.join(ways)} at once: ask for one of them"
            if ways
            else "nothing to search for; give an image, or --serve for a page, or --evaluate"
        )
    belongs = {
        "QUERY": ("k", "where", "collapse", "picture"),
        "--serve": ("port", "host"),
        "--evaluate": ("by", "output"),
    }
    for way, names in belongs.items():
        for name in names:
            if way != ways[0] and getattr(options, name) not in (None, []):
                flag = f"-{name}" if len(name) == 1 else f"--{name}"
                raise InputError(f"{flag} has no effect with {ways[0]}; leave it out")
    if options.serve and options.json:
        raise InputError("--json has no effect with --serve; leave it out")
    return ways


def _search(options: argparse.Namespace) -> int:
    """Search; a query that cannot be read is named, and the others are still searched for."""
    from tl_keras.retrieval.catalogue import open_catalogue
    from tl_keras.retrieval.ranking import check_search

    k = _K if options.k is None else options.k
    check_search(k, (), options.collapse)
    where, picture = read_where(options.where), _new_picture(options.picture)
    catalogue = open_catalogue(options.index)  # says what is wrong with it before Keras starts
    catalogue.index.count(where)
    found, skipped = [], []
    with messages(options.json):
        start_keras()
        if options.model:
            from tl_keras.retrieval.embedding import open_embedder

            catalogue = open_catalogue(options.index, open_embedder(options.model))
        catalogue.check_ready()
        for query in options.queries:
            try:
                vector = catalogue.vector(query)
                copies = catalogue.copies(query, vector)
            except InputError as problem:
                skipped.append({"path": query, "reason": str(problem)})
                print(f"tl-keras: left out: {problem}", file=sys.stderr)
                continue
            hits = catalogue.index.search(
                vector, k, where=where, collapse=options.collapse, exclude=copies
            )
            found.append((query, copies, hits))
    if options.json:
        queries = [_told(catalogue, *one) for one in found]
        print_json({"queries": queries, "skipped": skipped, **_threshold(catalogue)})
    else:
        for one in found:
            _print(*one)
    if picture and found:
        _draw(picture, catalogue, found)
        print(f"\nThe pictures: {picture}", file=sys.stderr if options.json else sys.stdout)
    return 0 if found and not skipped else 2


def _told(catalogue: Any, query: str, copies: list[str], hits: Sequence[Any]) -> dict[str, Any]:
    told = [{**hit._asdict(), "path": str(catalogue.path_of(hit.id))} for hit in hits]
    return {"query": query, "in_catalogue_as": copies, "hits": told}


def _threshold(catalogue: Any) -> dict[str, Any]:
    """The cosine from which the model takes two pictures for one class, where it has one."""
    settings = catalogue.embedder.settings
    names = ("threshold", "false_accept_rate")
    return {name: settings[name] for name in names if name in settings}


def _print(query: str, copies: list[str], hits: Sequence[Any]) -> None:
    print(query + (f" (in the catalogue as {', '.join(copies)})" if copies else ""))
    if not hits:
        print("  nothing in the catalogue fits")
    width = max((len(hit.id) for hit in hits), default=0)
    for hit in hits:
        more = f"  (+{len(hit.duplicates)} like it)" if hit.duplicates else ""
        print(f"  {hit.score:.3f}  {hit.id:<{width}}  {' '.join(_words(hit))}{more}".rstrip())


def _words(hit: Any) -> list[str]:
    from tl_keras.retrieval.catalogue_rows import shown_columns

    return [f"{name}={value}" for name, value in shown_columns(hit.metadata).items()]


def _draw(file: Path, catalogue: Any, found: Sequence[Any]) -> None:
    from PIL import Image

    from tl_keras.data.decoding import read_image
    from tl_keras.evaluation.hits_picture import Shown, hits_picture

    rows = []
    for query, _, hits in found:
        row = [Shown(read_image(query), ["query", Path(query).name])]
        for hit in hits:
            words = [f"{hit.score:.3f}  {Path(hit.id).name}", *_words(hit)]
            try:
                row.append(Shown(read_image(catalogue.path_of(hit.id)), words[:_WORDS]))
            except InputError as problem:
                print(f"tl-keras: not drawn: {problem}", file=sys.stderr)
        rows.append(row)
    Image.fromarray(hits_picture(rows)).save(file)


def _new_picture(name: str | None) -> Path | None:
    """The file to draw, found writable before anything is computed."""
    if name is None:
        return None
    file = Path(name)
    if file.suffix.lower() != ".png":
        raise InputError(f"--picture {file} is no .png file; name one, such as hits.png")
    if file.exists():
        raise InputError(f"--picture {file} exists already; name a new file")
    if not file.parent.is_dir():
        raise InputError(f"--picture {file}: there is no folder {file.parent}; make it first")
    return file
