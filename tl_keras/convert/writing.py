"""From rendered pictures to examples: a PNG each, a table, and the settings beside them."""

import hashlib
import io
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from tl_keras.convert.settings import FILE, Settings
from tl_keras.data.examples import PARTS, Examples, Skipped
from tl_keras.data.naming import natural_key
from tl_keras.data.scanning import DIGEST_BYTES
from tl_keras.errors import InputError

#: The table beside the pictures; :func:`tl_keras.data.from_csv` reads it.
TABLE = "examples.csv"

_QUIET_SECONDS = 2.0
_LONGEST_NAME = 120  # characters; file systems allow 255 bytes


@dataclass(frozen=True)
class Picture:
    """One rendered signal, or one piece of it.

    Attributes:
        pixels: uint8 array (S, S) grey or (S, S, 3) RGB.
        name: of the file to be, without suffix; ``/`` becomes ``_``.
        label: its class, or ``None``.
        group: what must not be torn apart by a split.
        split: ``"train"``, ``"val"``, ``"test"`` or ``None``.
        source: the file it comes from.
        offset: where in the source it begins, in the kind's own unit.

    Example:
        >>> Picture(np.zeros((8, 8), np.uint8), "dog/1", "dog", "dog/1", None, "1.wav", "0").label
        'dog'
    """

    pixels: np.ndarray
    name: str
    label: str | None
    group: str | None
    split: str | None
    source: str
    offset: str


@dataclass(frozen=True)
class _Written:
    path: Path
    digest: str
    picture: Picture


def check_output(folder: str | os.PathLike) -> Path:
    """The folder to write to.

    Raises:
        InputError: it is a file, holds something already, or its place cannot be written.

    Example:
        >>> check_output("/tmp")  # doctest: +SKIP
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: /tmp is not an empty folder; name a new folder for the pictures
    """
    root = Path(folder)
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise InputError(f"{root} is not an empty folder; name a new folder for the pictures")
        root.parent.mkdir(parents=True, exist_ok=True)
        scratch = _scratch(root)
        scratch.mkdir()
        scratch.rmdir()
    except OSError as error:
        raise InputError(
            f"{root} cannot be written: {error.strerror}; name another folder"
        ) from None
    return root.resolve()


def _scratch(root: Path) -> Path:
    return root.with_name(f".{root.name}.{secrets.token_hex(4)}")


def write_examples(
    root: Path,
    pictures: Iterable[Picture | Skipped],
    settings: Settings,
    *,
    source: str = "",
    progress: bool = True,
) -> Examples:
    """Writes pictures as they come and returns them as examples; all, or after an error nothing.

    ``ROOT/[PART/]CLASS/NAME.png`` (without a class: ``ROOT/[PART/]images/``), so that
    ``tl-keras train ROOT`` reads the folder as it is; ``examples.csv`` with group, source and
    offset; ``conversion.json`` with the settings.  Equal pictures of different classes contradict
    each other and are all left out; of equal pictures in two parts the measuring part keeps its
    own, as in :func:`tl_keras.data.from_folder`.

    Args:
        root: a new or empty folder, from :func:`check_output`.
        pictures: pictures, and what was skipped, in order.
        settings: how they were rendered.
        source: what was converted, for messages.
        progress: show a bar on standard error when it takes longer than two seconds.

    Returns:
        The table; ``extra`` has the columns ``source`` and ``offset``.

    Raises:
        InputError: there is not one picture.

    Example:
        >>> write_examples(root, pictures, SoundImage())  # doctest: +SKIP
    """
    bar = tqdm(
        pictures,
        desc="converting",
        unit="picture",
        file=sys.stderr,
        delay=_QUIET_SECONDS,
        disable=None if progress else True,
        leave=False,
    )
    # Written beside and moved in one step: who is interrupted finds no half of it.
    scratch = _scratch(root)
    scratch.mkdir()
    try:
        examples = _write_all(scratch, bar, source)
        examples.to_csv(scratch / TABLE)
        text = json.dumps(settings.to_json(), indent=1)
        (scratch / FILE).write_text(text + "\n", encoding="utf-8")
        if root.is_dir():
            root.rmdir()
        scratch.rename(root)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    paths = tuple(str(root / Path(path).relative_to(scratch)) for path in examples.paths)
    return replace(examples, paths=paths, root=str(root))


def _write_all(root: Path, pictures: Iterable[Picture | Skipped], source: str) -> Examples:
    skipped: list[Skipped] = []
    written: list[_Written] = []
    used: set[Path] = set()
    for one in pictures:
        if isinstance(one, Skipped):
            skipped.append(one)
        else:
            written.append(_write(root, one, used))
    if not written:
        first = f", the first: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise InputError(
            f"nothing in {source or 'the input'} could be converted ({len(skipped)} left out"
            f"{first}); mend or replace the files"
        )
    kept, crossing, conflicts = _without_copies(written)
    return _table(root, kept, (*skipped, *conflicts), crossing)


def _write(root: Path, picture: Picture, used: set[Path]) -> _Written:
    folder = root / picture.split if picture.split else root
    folder /= _file_name(picture.label) if picture.label else "images"
    stem = _file_name(picture.name)
    path, number = folder / f"{stem}.png", 1
    while path in used:
        number += 1
        path = folder / f"{stem}~{number}.png"
    used.add(path)
    folder.mkdir(parents=True, exist_ok=True)
    memory = io.BytesIO()
    Image.fromarray(picture.pixels).save(memory, "PNG")
    path.write_bytes(memory.getvalue())
    digest = hashlib.blake2b(memory.getvalue(), digest_size=DIGEST_BYTES).hexdigest()
    return _Written(path, digest, picture)


def _file_name(text: str) -> str:
    name = text.replace("/", "_").replace("\\", "_").replace("\0", "_")
    name = f"_{name[1:]}" if name.startswith(".") else name  # dot files are passed over
    if len(name) > _LONGEST_NAME:
        mark = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
        name = f"{name[:_LONGEST_NAME]}_{mark}"
    return name


def _without_copies(
    written: list[_Written],
) -> tuple[list[_Written], list[Skipped], list[Skipped]]:
    """What stays, copies of it in another part, and pictures that contradict each other."""
    rank = {part: i for i, part in enumerate((None, *PARTS))}
    owners: dict[str, list[_Written]] = {}
    for one in written:
        owners.setdefault(one.digest, []).append(one)
    kept, crossing, conflicts = [], [], []
    for one in written:
        same = owners[one.digest]
        keeper = max(same, key=lambda other: rank[other.picture.split])
        other = next((o for o in same if o.picture.label != one.picture.label), None)
        if other is not None:
            reason = f"labelled {one.picture.label!r}, but looks the same as {other.picture.name}, "
            conflicts.append(
                Skipped(_where(one.picture), f"{reason}which is {other.picture.label!r}")
            )
        elif one.picture.split != keeper.picture.split:
            reason = f"looks the same as {keeper.picture.name} of the {keeper.picture.split} part"
            crossing.append(Skipped(_where(one.picture), reason))
        else:
            kept.append(one)
            continue
        one.path.unlink()
    return kept, crossing, conflicts


def _where(picture: Picture) -> str:
    return f"{picture.source} at {picture.offset}" if picture.offset else picture.source


def _table(
    root: Path, kept: list[_Written], skipped: tuple[Skipped, ...], crossing: list[Skipped]
) -> Examples:
    if not kept:
        raise InputError(
            f"all pictures contradict each other: {skipped[-1].path} is {skipped[-1].reason}"
        )
    pictures = [one.picture for one in kept]
    names = tuple(sorted({p.label for p in pictures if p.label is not None}, key=natural_key))
    index: dict[str | None, int] = {name: i for i, name in enumerate(names)} | {None: -1}
    return Examples(
        paths=tuple(str(one.path) for one in kept),
        labels=np.array([index[p.label] for p in pictures], np.int32),
        class_names=names,
        digests=tuple(one.digest for one in kept),
        splits=tuple(p.split for p in pictures),
        skipped=skipped,
        crossing=tuple(crossing),
        root=str(root),
        groups=tuple(p.group for p in pictures),
        extra={
            "source": tuple(p.source for p in pictures),
            "offset": tuple(p.offset for p in pictures),
        },
    )
