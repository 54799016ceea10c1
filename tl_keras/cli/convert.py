"""``tl-keras convert``: sound, series, mouse tracks and pages as images to train on."""

import argparse
import importlib
import sys
import warnings
from dataclasses import MISSING
from typing import Any

from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.convert.page_image import PageImage
from tl_keras.convert.series_image import KINDS, SeriesImage
from tl_keras.convert.settings import Settings, settable
from tl_keras.convert.sound_image import SoundImage
from tl_keras.convert.track_image import TrackImage
from tl_keras.errors import InputError

_SETTINGS: dict[str, type[Settings]] = {
    "sound": SoundImage,
    "series": SeriesImage,
    "tracks": TrackImage,
    "pages": PageImage,
}

_WHAT = {
    "sound": "WAV, FLAC, OGG -> log-mel spectrogram: pitch upwards, time to the right",
    "series": ".ts, .tsv, .csv, .npy, one or many channels -> line plot, Gramian angular or Markov "
    "transition field, recurrence plot, spectrogram",
    "tracks": "mouse recordings (CSV) -> path, time and speed as colours; --scripted adds robots",
    "pages": "PDF, images of documents -> layout: ink, text blocks and large things",
}

_EXAMPLES = """\
examples:
  tl-keras convert sound clips/ pictures/                 clips/dog/1.wav: the folder is the class
  tl-keras convert sound digits/ pictures/ --names "{label}_{group}_*" --sample-rate 8000
  tl-keras convert series GunPoint/ sheet.png --method all              compare the kinds by eye
  tl-keras convert series GunPoint/ pictures/ --method gasf
  tl-keras convert tracks mouse/ pictures/ --names "{group}/*" --scripted
  tl-keras convert pages invoices/ pictures/
  tl-keras convert KIND --help                            every option of a kind

then:
  tl-keras train pictures/examples.csv                    keeps speakers, users, documents together
  tl-keras convert sound new/ new_pictures/ --like pictures/    exactly as those were rendered
  tl-keras predict saved_models/... new_pictures/

Mirroring such pictures plays sound backwards and turns series round: train without it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options: those of each kind are the fields of its settings."""
    parser.description = (
        "Turn other signals into square pictures, a PNG each, with a table of class, group, part, "
        "source and offset."
    )
    parser.epilog = _EXAMPLES
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, record in _SETTINGS.items():
        added = kinds.add_parser(
            kind,
            help=_WHAT[kind],
            description=_description(kind, record),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument("source", metavar="IN", help="a folder or a file")
        added.add_argument("out", metavar="OUT", help="a new or empty folder for the pictures")
        added.add_argument(
            "--names",
            metavar="PATTERN",
            help="where {label}, {group} and {split} stand in the paths below IN, without suffix, "
            'such as "{label}_{group}_*"; * is any text (default: the first folder is the class)',
        )
        added.add_argument(
            "--like", metavar="DIR", help="render as this earlier conversion did; no other settings"
        )
        _add_settings(added, record)
        if kind == "series":
            added.add_argument(
                "--columns", metavar="A,B,...", help="channels of a CSV (default: all)"
            )
        if kind == "tracks":
            added.add_argument(
                "--scripted",
                action="store_true",
                help="the recordings are people's: add a scripted track beside each window",
            )
            added.add_argument(
                "--seed", type=int, default=0, help="of the scripted tracks (default: 0)"
            )
        add_json(added)


def _description(kind: str, record: type[Settings]) -> str:
    text = (record.__doc__ or "").partition("Attributes:")[0].strip()
    lines = [line.removeprefix("    ") for line in text.splitlines()]
    words = "\n".join(lines).replace("``", "")
    if kind != "series":
        return words
    listed = "\n".join(f"  {name:<12} {meaning}" for name, meaning in KINDS.items())
    return f"{words}\n\nmethods:\n{listed}\n  {'all':<12} a sheet of all of them; OUT is a file"


def _add_settings(parser: argparse.ArgumentParser, record: type[Settings]) -> None:
    for one in settable(record):
        meta: Any = one.metadata
        option: dict[str, Any] = {"default": None}
        if meta["choices"]:
            more = ("all",) if one.name == "method" else ()
            option |= {"choices": [*meta["choices"], *more]}
        else:
            option |= {"type": meta["of"], "metavar": "N" if meta["of"] is int else "X"}
        shown = "" if one.default in (None, MISSING) else f" (default: {one.default})"
        parser.add_argument(f"--{one.name.replace('_', '-')}", help=meta["text"] + shown, **option)


def run(options: argparse.Namespace) -> int:
    """Convert; what cannot be read is named, and the rest is converted."""
    record = _SETTINGS[options.kind]
    given = {one.name: getattr(options, one.name) for one in settable(record)}
    given = {name: value for name, value in given.items() if value is not None}
    more: dict[str, Any] = {"names": options.names}
    if options.kind == "series" and options.columns:
        more["columns"] = [name.strip() for name in options.columns.split(",")]
    if given.get("method") == "all":
        return _sheet(options, given, more)
    if options.kind == "tracks":
        more |= {"scripted": options.scripted, "seed": options.seed}
    image = record(**given) if given else None
    convert = getattr(importlib.import_module("tl_keras.convert"), options.kind)
    with messages(options.json), warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        examples = convert(options.source, options.out, image, like=options.like, **more)
    for note in notes:
        print(f"tl-keras: {note.message}", file=sys.stderr)
    left_out = [*examples.skipped, *examples.crossing]
    for one in left_out:
        print(f"tl-keras: left out: {one.path}: {one.reason}", file=sys.stderr)
    if options.json:
        print_json(
            {
                "table": f"{examples.root}/examples.csv",
                "pictures": len(examples),
                "classes": examples.counts(),
                "groups": len(set(examples.groups) - {None}),
                "parts": {part: len(examples.part(part)) for part in examples.parts},
                "skipped": [one._asdict() for one in left_out],
            }
        )
        return 0
    print(_summary(examples, len(left_out)))
    return 0


def _summary(examples: Any, left_out: int) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in examples.counts().items())
    groups = len(set(examples.groups) - {None})
    parts = ", ".join(f"{part} {len(examples.part(part))}" for part in examples.parts)
    lines = [
        f"{len(examples)} pictures in {examples.root}",
        f"classes: {classes or 'none (use --names, or a folder per class)'}",
        f"groups: {groups}" if groups else "",
        f"parts: {parts}" if parts else "",
        f"left out: {left_out}" if left_out else "",
        f"next: tl-keras train {examples.root}/examples.csv"
        if len(examples.class_names) > 1
        else "",
    ]
    return "\n".join(line for line in lines if line)


def _sheet(options: argparse.Namespace, given: dict[str, Any], more: dict[str, Any]) -> int:
    from tl_keras.convert.series_comparison import series_sheet

    if options.like is not None:
        raise InputError("--method all draws with settings of its own; leave --like out")
    settings = {name: value for name, value in given.items() if name != "method"}
    path = series_sheet(options.source, options.out, SeriesImage(**settings), **more)
    if options.json:
        print_json({"sheet": str(path)})
    else:
        print(f"every kind side by side: {path}")
    return 0
