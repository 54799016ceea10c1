"""``tl-keras index``: make pictures searchable, and keep the index up to date."""

import argparse
import time
from pathlib import Path
from typing import Any

from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras index shop/ --out shop-index                     every picture below shop/
  tl-keras index shop.csv --out shop-index                  a table: its columns can be filtered by
  tl-keras index shop/ --out shop-index --model saved_models/shop     see better: train it first
  tl-keras index shop/ --out shop-index                     again: only what changed is looked at
  tl-keras search shop-index query.jpg

A table has a column of files (path, image, filename or id) and any others: price, gender, stock.
Of a folder, the first folder below it becomes the column "label". Interrupted or killed, the index
opens, and the same command goes on from there.
"""
_NAMED = 10  # files left out that are named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Compute the vector of every picture of a catalogue and keep them in a folder, to be "
        "searched by `tl-keras search`. Pictures that are in it already are not computed again; "
        "those that are gone are taken out."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "catalogue",
        metavar="CATALOGUE",
        help="a folder of images, or a table of them (.csv, .tsv, .parquet)",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="where the index is or goes")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="the folder that `tl-keras train` wrote (--task embed, classify or tag); default: a "
        "base as it is, or what the index was made with",
    )
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="without --model: the base, see `tl-keras backbones` (default: the one shipped)",
    )
    parser.add_argument(
        "--weights", metavar="imagenet|bundled|PATH", help="of the base (default: as train)"
    )
    parser.add_argument(
        "--image-size", type=int, metavar="PX", help="side of its input (default: the base's own)"
    )
    parser.add_argument(
        "--resize",
        choices=["crop", "pad", "stretch"],
        help="how pictures become square for a base (default: crop)",
    )
    parser.add_argument(
        "--data-format",
        metavar="NAME",
        help="how CATALOGUE is read, where it cannot be told: folder, csv, coco, voc, yolo, "
        "tfrecord (default: found out)",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Index; files that cannot be read are named, and the others indexed."""
    from tl_keras.retrieval.catalogue_folder import check_place
    from tl_keras.retrieval.catalogue_reading import read_catalogue

    asked = {name: getattr(options, name) for name in ("weights", "image_size", "resize")}
    if options.model and options.backbone:
        raise InputError("--model brings its own base; leave --backbone out")
    if options.weights == "none":
        raise InputError("random weights see nothing; give others, or leave --weights out")
    out = Path(options.out)
    check_place(out)
    began = time.perf_counter()
    with messages(options.json):
        examples = read_catalogue(options.catalogue, format=options.data_format, apart=out)
        start_keras()
        from tl_keras.retrieval.catalogue import index_catalogue

        embedder = _embedder(options, out, asked)
        print(f"{len(examples):,} pictures; vectors of {embedder.dimension} numbers by "
              f"{_named(embedder)} at {embedder.image_size} px.")  # fmt: skip
        catalogue = index_catalogue(examples, out, embedder, verbose=True)
        changes, seconds = catalogue.changes, time.perf_counter() - began
        for path, reason in changes.skipped[:_NAMED]:
            print(f"left out: {path}: {reason}")
        if len(changes.skipped) > _NAMED:
            print(f"... and {len(changes.skipped) - _NAMED:,} more left out")
        if not options.json:
            _print(out, catalogue, seconds)
    if options.json:
        told = {**changes._asdict(), "skipped": [list(one) for one in changes.skipped]}
        print_json({
            "index": str(out), "pictures": catalogue.index.count(), **told,
            "columns": catalogue.columns, "embedder": catalogue.source,
            "fingerprint": catalogue.index.fingerprint, "seconds": round(seconds, 1),
        })  # fmt: skip
    return 0


def _embedder(options: argparse.Namespace, out: Path, asked: dict[str, Any]) -> Any:
    """The model asked for; else the index' own; else the shipped base."""
    from tl_keras.backbones.bundled import bundled_backbones
    from tl_keras.retrieval.catalogue_folder import DESCRIPTION, read_description
    from tl_keras.retrieval.embedding import open_embedder

    nothing = not (options.model or options.backbone or any(asked.values()))
    if nothing and (out / DESCRIPTION).exists():
        return open_embedder(read_description(out)["embedder"])
    return open_embedder(
        options.model or options.backbone or next(iter(bundled_backbones())), **asked
    )


def _named(embedder: Any) -> str:
    source = embedder.source
    if "artefact" in source:
        return source["artefact"]
    return f"{source['backbone']} as it is ({source['weights']} weights)"


def _print(out: Path, catalogue: Any, seconds: float) -> None:
    changes = catalogue.changes
    said = {
        "added": changes.added,
        "changed": changes.updated,
        "described anew": changes.described,
        "deleted": changes.deleted,
        "as before": changes.unchanged,
        "left out": len(changes.skipped),
    }
    figures = ", ".join(f"{count:,} {what}" for what, count in said.items() if count)
    print(f"{out}: {catalogue.index.count():,} pictures ({figures or 'nothing'}), "
          f"{changes.embedded:,} computed, in {seconds:.1f} s.")  # fmt: skip
    columns = [name for name in catalogue.columns if name not in ("path", "blake2b")]
    if columns:
        print(f"Columns to filter by: {', '.join(columns)}")
    print(f"Next: tl-keras search {out} QUERY.jpg")
