"""Where the pictures of a YOLO data set lie, and what its classes are called."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.data.examples import PARTS, Skipped
from tl_keras.data.naming import part_meant
from tl_keras.data.walking import IMAGE_SUFFIXES, folder_given, is_folder, listing, walk
from tl_keras.errors import InputError

# data.yaml takes some KiB, with the names of ten thousand classes.
_MOST_BYTES = 2**20
_YAML_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class Layout(NamedTuple):
    """A YOLO data set as it lies on the disk.

    Attributes:
        root: its folder.
        class_names: classes by number; empty: not said.
        pictures: the pictures of each part, ``None`` where there are none.
        keypoints: lines hold keypoints after the box.

    Example:
        >>> Layout("coco128", ("person",), {"train": ["1.jpg"]}, False).class_names
        ('person',)
    """

    root: str
    class_names: tuple[str, ...]
    pictures: dict[str | None, list[str]]
    keypoints: bool


def find_layout(given: str | os.PathLike, skipped: list[Skipped]) -> Layout:
    """Reads ``data.yaml``, or makes out the folders without it.

    Args:
        given: the folder, or a YAML file.
        skipped: links in a circle, and pictures that are listed but missing, are added here.

    Returns:
        The layout.

    Raises:
        InputError: no such folder, a data.yaml that cannot be used, no pictures.

    Example:
        >>> find_layout("no/such", [])
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such does not exist; give the folder of the images and labels
    """
    path = Path(os.path.abspath(os.path.expanduser(given)))  # noqa: PTH100, PTH111 (links stay)
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        layout = _by_yaml(path, skipped)
    else:
        root = folder_given(given, "the images and labels")
        yamls = [root / name for name in ("data.yaml", "dataset.yaml", "data.yml")]
        file = next((file for file in yamls if file.is_file()), None)
        layout = _by_yaml(file, skipped) if file else _by_folders(root, skipped)
    if not any(layout.pictures.values()):
        raise InputError(
            f"{os.fspath(given)} holds no pictures; expected images/train/*.jpg and "
            "labels/train/*.txt, or their folders in data.yaml"
        )
    return layout


def _read_yaml(file: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError:
        raise InputError(
            f"reading {file} needs PyYAML; pip install pyyaml, or take the file away and name the "
            "classes in classes.txt"
        ) from None
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"{file} is over {_MOST_BYTES} bytes; expected names and folders only")
        found = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}; give a readable file") from None
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{file} is no sound YAML ({reason}); mend it") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} holds no names and folders; expected names:, train:, val:")
    return found


def _by_yaml(file: Path, skipped: list[Skipped]) -> Layout:
    found = _read_yaml(file)
    base = found.get("path")
    bases = [file.parent / base] if isinstance(base, str) else []
    bases.append(file.parent)
    pictures: dict[str | None, list[str]] = {}
    for key, part in _YAML_KEYS.items():
        entries = found.get(key)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, str) and entry:
                pictures.setdefault(part, []).extend(_listed(entry, bases, file, skipped))
            elif entry is not None:
                raise InputError(f"{file}: {key} is no folder, nor a list of some; mend it")
    if not pictures:
        return _by_folders(file.parent, skipped)._replace(class_names=_names(found, file))
    return Layout(str(file.parent), _names(found, file), pictures, "kpt_shape" in found)


def _names(found: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    names = found.get("names")
    if names is None:
        return _from_text(file.parent)
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    # Aliases of YAML may hide a list in a list a billion times over: nothing but text and numbers.
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise InputError(f"{file}: names is no list of classes, nor 0: name, 1: name; mend it")
    return tuple(str(name) for name in names)


def _listed(entry: str, bases: list[Path], file: Path, skipped: list[Skipped]) -> list[str]:
    """The pictures of a folder or of a text file that lists them."""
    # Exports write ../train/images, from wherever they were made.
    stripped = entry
    while stripped.startswith("../"):
        stripped = stripped[3:]
    for path in (base / name for name in dict.fromkeys((entry, stripped)) for base in bases):
        path = Path(os.path.normpath(path))
        if is_folder(path):
            return _pictures(path, skipped)
        if path.suffix.lower() == ".txt" and path.is_file():
            lines = path.read_text("utf-8", "surrogateescape").splitlines()
            named = [line.strip() for line in lines if line.strip()]
            return [os.path.normpath(path.parent / name) for name in named]
    raise InputError(f"{file} names {entry}, which is not there; mend the path")


def _pictures(folder: Path, skipped: list[Skipped]) -> list[str]:
    files = walk(folder, skipped)
    return [f for f in files if os.path.splitext(f)[1].lower() in IMAGE_SUFFIXES]  # noqa: PTH122


def _by_folders(root: Path, skipped: list[Skipped]) -> Layout:
    """``images/train``, ``train/images``, or ``images`` alone; else the folder as it is."""
    images = next(
        (f for f in listing(root) if f.name.casefold() == "images" and is_folder(f)), root
    )
    pictures: dict[str | None, list[str]] = {}
    folders = [(part_meant(f.name), f) for f in listing(images) if is_folder(f)]
    for part in PARTS:
        for folder in (folder for name, folder in folders if name == part):
            pictures.setdefault(part, []).extend(_pictures(folder, skipped))
    if not pictures:
        pictures[None] = _pictures(images, skipped)
    return Layout(str(root), _from_text(root), pictures, False)


def _from_text(root: Path) -> tuple[str, ...]:
    names = ("classes.txt", "labels/classes.txt", "obj.names")
    file = next((root / name for name in names if (root / name).is_file()), None)
    if file is None:
        return ()
    lines = file.read_text("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
