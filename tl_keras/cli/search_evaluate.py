"""``tl-keras search DIR --evaluate``: how well what belongs together is found."""

import argparse
import functools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_keras.cli.options import messages, percent, print_json
from tl_keras.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from tl_keras.retrieval.evaluating import CatalogueFigures

_SIDE = 160  # px of a picture on the sheet
_LISTED = 40  # categories that are printed


def add_evaluating(parser: argparse.ArgumentParser) -> None:
    """``--evaluate`` and what goes with it."""
    parser.add_argument(
        "--evaluate",
        nargs="?",
        const="",
        metavar="DATA",
        help="measure the search: precision, recall and nDCG of the first results and mean average "
        "precision, by category. Each picture of the catalogue searches among the others, or each "
        "of DATA (a folder or table with the same column) among all",
    )
    parser.add_argument(
        "--by",
        metavar="COLUMN",
        help="with --evaluate: right is what has the query's value there (default: label)",
    )
    parser.add_argument(
        "--output",
        metavar="OUT",
        help="with --evaluate: also write metrics.json, and search.html and contact_sheet.png with "
        "queries, hits and the worst misses there; must not exist yet",
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    from tl_keras.artefact.writing import check_output
    from tl_keras.cli.startup import start_keras
    from tl_keras.retrieval.catalogue import open_catalogue
    from tl_keras.retrieval.catalogue_reading import read_catalogue

    began = time.perf_counter()
    if options.output:
        check_output(Path(options.output))
    catalogue = open_catalogue(options.index)
    with messages(options.json):
        queries = None
        if options.evaluate:
            queries = read_catalogue(options.evaluate)
            start_keras()
            if options.model:
                from tl_keras.retrieval.embedding import open_embedder

                catalogue = open_catalogue(options.index, open_embedder(options.model))
        from tl_keras.retrieval.evaluating import evaluate_catalogue

        found = evaluate_catalogue(catalogue, options.by, queries)
        if options.output:
            _write(Path(options.output), Path(options.index).resolve().name, found)
    if options.json:
        seconds = round(time.perf_counter() - began, 1)
        print_json({"metrics": found.metrics, "seconds": seconds})
    else:
        _print(found.metrics)
        if options.output:
            print(f"\nTo look at: {Path(options.output) / 'search.html'}")
    return 0


def _measured(metrics: dict[str, Any]) -> str:
    return (
        f"{metrics['queries']:,} queries among {metrics['pictures']:,} pictures; right is what has "
        f"the same {metrics['by']}."
    )


def _print(metrics: dict[str, Any]) -> None:
    from tl_keras.evaluation.search_page import search_headline

    print(_measured(metrics))
    for name, entry in search_headline(metrics).items():
        print(f"{name:<24} {percent(entry)}")
    rows = sorted(metrics["by_category"], key=lambda row: row["mean_average_precision"]["value"])[
        :_LISTED
    ]
    width = max(len(metrics["by"]), *(len(row["name"]) for row in rows))
    ks = list(metrics["precision"])
    print(f"\n{metrics['by']:<{width}}  queries  " + "  ".join(f"{f'P@{k}':>5}" for k in ks)
          + "  average precision")  # fmt: skip
    for row in rows:
        shares = "  ".join(f"{row['precision'][k]['value']:>5.3f}" for k in ks)
        average = row["mean_average_precision"]["value"]
        print(f"{row['name']:<{width}}  {row['queries']:>7}  {shares}  {average:>17.3f}")
    if len(metrics["by_category"]) > _LISTED:
        print(f"... and {len(metrics['by_category']) - _LISTED} more that are found better")
    for note in metrics["notes"]:
        print(note)


def _write(folder: Path, name: str, found: "CatalogueFigures") -> None:
    from PIL import Image

    from tl_keras.evaluation.contact_sheet import contact_picture, contact_section
    from tl_keras.evaluation.search_page import write_search_page

    @functools.cache
    def read(file: str) -> "np.ndarray":
        return _small(file)

    shown = (
        found.shown, lambda item: read(found.files[item]), found.labels,
    )  # fmt: skip
    own = {
        "read_query": lambda query: read(found.query_files[query]),
        "query_labels": found.query_labels,
    }
    try:
        folder.mkdir(exist_ok=True)
        (folder / "metrics.json").write_text(json.dumps(found.metrics, indent=1))
        Image.fromarray(contact_picture(*shown, **own)).save(folder / "contact_sheet.png")
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); give another") from None
    write_search_page(
        folder / "search.html", found.metrics, contact_section(*shown, **own),
        title=f"{name}: what a search finds", measured=_measured(found.metrics),
    )  # fmt: skip


def _small(file: str) -> "np.ndarray":
    """A picture made small; grey where the file is gone since it was indexed."""
    import numpy as np

    from tl_keras.data.decoding import UnreadableImageError, decode, open_regular

    try:
        with open_regular(file) as opened:
            return np.array(decode(opened, file, at_least=_SIDE, longer=True))
    except UnreadableImageError:
        return np.full((_SIDE, _SIDE, 3), 128, np.uint8)
