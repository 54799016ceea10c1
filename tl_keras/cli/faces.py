"""``tl-keras faces``: enroll people by their pictures, compare two pictures, name who is in one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_keras.cli.files import image_files
from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.retrieval.faces import FaceGallery

_EXAMPLES = """\
examples:
  tl-keras train known/ --task embed --recipe whitening --output saved_models/people
  tl-keras faces enroll gallery/ staff/ --model saved_models/people    a folder per person
  tl-keras faces enroll gallery/ ann1.jpg ann2.jpg --name Ann
  tl-keras faces apart gallery/ volunteers/        who set the thresholds: 100 pictures or more
  tl-keras faces verify gallery/ a.jpg b.jpg       one person or two?
  tl-keras faces identify gallery/ door/           who is it, or nobody known?
  tl-keras faces list gallery/
  tl-keras faces remove gallery/ Ann

One upright face a picture, filling most of it: nothing here finds faces. Not for locks (a
photograph of a photograph passes), not to accuse anyone, not to look for people among strangers;
rates hold for pictures like those of the people apart. Ask people before you enroll them.
"""
_GALLERY = "the folder of the gallery"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Know people by pictures of their faces: enrolled and removed without training, with "
        "thresholds set for a stated rate of wrong answers on people who are not enrolled."
    )
    parser.epilog = _EXAMPLES
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, line in (
        ("enroll", "add people, or more pictures of them; the first time makes the gallery"),
        ("apart", "add people who are not enrolled, on whom thresholds are set"),
    ):
        added = verbs.add_parser(verb, help=line, description=line[0].upper() + line[1:] + ".")
        added.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
        added.add_argument(
            "pictures", metavar="PEOPLE", nargs="+",
            help="a folder with a folder per person, or another set with classes; with --name "
            "image files or folders of them",
        )  # fmt: skip
        added.add_argument("--name", help="all pictures are of this person")
        _add_model(added)
    verify = verbs.add_parser("verify", help="say whether two pictures show one person")
    verify.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    verify.add_argument("first", metavar="PICTURE")
    verify.add_argument("second", metavar="OTHER")
    _add_rate(verify, "pairs of two people that may be taken for one")
    identify = verbs.add_parser("identify", help="name who is in each picture, or nobody known")
    identify.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    identify.add_argument("pictures", metavar="PICTURE", nargs="+", help="files or folders")
    _add_rate(identify, "pictures of unknown people that may get a name")
    remove = verbs.add_parser("remove", help="remove people and all that is kept of them")
    remove.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    remove.add_argument("names", metavar="NAME", nargs="+")
    listed = verbs.add_parser("list", help="who is enrolled and who apart")
    listed.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    for one in (verify, identify, listed):
        add_json(one)


def run(options: argparse.Namespace) -> int:
    """Do what the verb says."""
    return _VERBS[options.verb](options)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="MODEL",
        help="what makes vectors of faces: a folder that `tl-keras train --task embed` wrote, or a "
        "base; needed to make the gallery, and where the model has moved",
    )  # fmt: skip


def _add_rate(parser: argparse.ArgumentParser, of_what: str) -> None:
    parser.add_argument(
        "--rate", type=float, default=0.01, help=f"share of {of_what} (default: 0.01)"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="COSINE", help="in place of the one set for the rate"
    )
    _add_model(parser)


def _gallery(options: argparse.Namespace, new: bool = False) -> "FaceGallery":
    from tl_keras.retrieval.faces import FaceGallery

    folder = Path(options.gallery)
    there = (folder / "gallery.json").exists()
    if not there and new and options.model is None:
        raise InputError(f"{folder} holds no gallery yet; give --model to make one")
    embedder = None
    if there or new:
        start_keras()
    if options.model is not None:
        from tl_keras.retrieval.embedding import open_embedder

        embedder = open_embedder(options.model)
    if there or not new:
        return FaceGallery(folder, embedder)
    return FaceGallery.create(folder, embedder)


def _people(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Pictures, and who is in each."""
    if options.name is not None:
        pictures = image_files(options.pictures)
        return pictures, [options.name] * len(pictures)
    from tl_keras.data.reading.opening import open_data

    if len(options.pictures) > 1:
        raise InputError(
            f"{len(options.pictures)} sets of people; give one at a time, or --name with the "
            "pictures of one person"
        )
    try:
        examples = open_data(options.pictures[0])
    except InputError as problem:
        raise InputError(f"{problem}; of one person alone, give the pictures and --name") from None
    for path, reason in examples.skipped:
        print(f"left out: {path}: {reason}")
    if (examples.labels < 0).any():
        raise InputError(f"{options.pictures[0]} does not say who is in each picture; use --name")
    return list(examples.paths), [examples.class_names[label] for label in examples.labels]


def _enroll(options: argparse.Namespace) -> int:
    pictures, names = _people(options)
    gallery = _gallery(options, new=True)
    new = gallery.enroll(pictures, names, verbose=True)
    people = gallery.people()
    print(f"{new} pictures new, {len(pictures) - new} known; {_count(people)} enrolled.")
    if not gallery.people_apart():
        print(f"Next, people who set the thresholds: tl-keras faces apart {options.gallery} PEOPLE")
    return 0


def _apart(options: argparse.Namespace) -> int:
    from tl_keras.retrieval.faces import RATE

    pictures, names = _people(options)
    gallery = _gallery(options, new=True)
    new = gallery.set_apart(pictures, names, verbose=True)
    people = gallery.people_apart()
    print(f"{new} pictures new, {len(pictures) - new} known; {_count(people)} apart.")
    for said, threshold in (
        ("Two pictures show one person from cosine {} on", gallery.threshold),
        ("A picture gets a name from cosine {} on, until others enroll", gallery.naming_threshold),
    ):
        try:
            print(said.format(f"{threshold(RATE):.3f}") + f" (for {RATE:.0%} wrong).")
        except InputError as problem:
            print(f"Not yet: {problem}.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    with messages(options.json):
        found = _gallery(options).verify(
            options.first, options.second,
            false_accept_rate=options.rate, threshold=options.threshold,
        )  # fmt: skip
    if options.json:
        print_json(found._asdict())
    else:
        said = "one person" if found.same else "two people"
        cut = _cut(found.threshold, found.false_accept_rate, "false accepts")
        print(f"{said}: cosine {found.score:.3f}, threshold {cut}")
    return 0


def _identify(options: argparse.Namespace) -> int:
    with messages(options.json):
        pictures, skipped = _sound(image_files(options.pictures))
        found = _gallery(options).identify(
            pictures, false_alarm_rate=options.rate, threshold=options.threshold, verbose=True
        )
    if options.json:
        print_json({"identified": [one._asdict() for one in found], "skipped": skipped})
        return 2 if skipped else 0
    width = max(len(one.source) for one in found)
    for one in found:
        said = one.person or f"unknown, most like {one.nearest[0][0]}"
        print(f"{one.source:<{width}}  {said}: cosine {one.score:.3f}")
    print(f"Threshold {_cut(found[0].threshold, found[0].false_alarm_rate, 'false alarms')}")
    return 2 if skipped else 0


def _sound(paths: list[str]) -> tuple[list[str], list[dict[str, str]]]:
    """The pictures that can be read; the others are named, and do not keep the rest."""
    from tl_keras.data.scanning import scan

    sound, skipped = [], []
    for path, checked in zip(paths, scan(paths), strict=True):
        if checked.reason is None:
            sound.append(path)
        else:
            skipped.append({"path": path, "reason": checked.reason})
            print(f"tl-keras: left out: cannot read {path}: {checked.reason}", file=sys.stderr)
    if not sound:
        raise InputError("none of these files is a readable image; give pictures of faces")
    return sound, skipped


def _remove(options: argparse.Namespace) -> int:
    from tl_keras.retrieval.faces import FaceGallery

    gallery = FaceGallery(options.gallery)
    gone = gallery.remove(options.names)
    print(f"{gone} pictures removed; {_count(gallery.people())} enrolled.")
    return 0


def _list(options: argparse.Namespace) -> int:
    from tl_keras.retrieval.faces import FaceGallery

    gallery = FaceGallery(options.gallery)
    enrolled, apart = gallery.people(), gallery.people_apart()
    if options.json:
        print_json({"enrolled": enrolled, "apart": apart})
        return 0
    for title, people in (("enrolled", enrolled), ("apart", apart)):
        print(f"{title}: {_count(people)}, {sum(people.values())} pictures")
        for name, pictures in people.items():
            print(f"  {name}  {pictures}")
    return 0


_VERBS = {
    "enroll": _enroll,
    "apart": _apart,
    "verify": _verify,
    "identify": _identify,
    "remove": _remove,
    "list": _list,
}


def _cut(threshold: float, rate: float | None, of_what: str) -> str:
    return f"{threshold:.3f}" + ("" if rate is None else f" (for {100 * rate:g} % {of_what})")


def _count(people: Sequence[Any] | dict[str, int]) -> str:
    return f"{len(people)} {'person' if len(people) == 1 else 'people'}"
