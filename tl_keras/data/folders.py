"""A folder per class, with or without ``train/``, ``val/`` and ``test/`` above."""

import os
from pathlib import Path

from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import Listed, assemble
from tl_keras.data.naming import class_name, natural_key, part_meant
from tl_keras.data.walking import IMAGE_SUFFIXES, is_folder, listing, walk
from tl_keras.errors import InputError

_LAYOUT = "expected a folder per class (photos/ants/, photos/bees/), or train/ and val/ of such"


def from_folder(
    path: str | os.PathLike, *, strict: bool = False, progress: bool = True
) -> Examples:
    """Reads a folder of images: a sub-folder per class, whatever lies deeper belongs to it.

    ``train`` or ``Training`` beside ``val``, ``valid``, ``validation``, ``test`` or ``Testing``
    (any case) is a brought split and kept; what lies beside those folders is not read.  Classes
    come in natural order (class2 before class10).  Links are followed, in a circle only once.
    Every file in a class folder is opened and decoded in full: what is no sound image is left out
    and listed in ``skipped``, be it called ``.jpg`` or ``.txt``; hidden and system files
    (``.DS_Store``, ``Thumbs.db``) are passed over.

    Args:
        path: the folder.
        strict: raise instead of leaving a file out.
        progress: show a bar on standard error when it takes longer than two seconds.

    Returns:
        The table, ordered by part, class and path.

    Raises:
        InputError: the path is missing or no folder; the folder is empty, has no class folders or
            one class only; a class has no readable image; the parts of a brought split have
            different classes; or, under ``strict``, a file would be left out.

    Example:
        >>> from_folder("no/such/folder")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such/folder does not exist; give the folder of your images
    """
    given = os.fspath(path)
    root = Path(os.path.abspath(os.path.expanduser(given)))  # noqa: PTH100, PTH111 (links stay)
    if not os.path.exists(root):  # noqa: PTH110 (False, not an error, for a link to itself)
        raise InputError(f"{given} does not exist; give the folder of your images")
    if not is_folder(root):
        raise InputError(f"{given} is a file; give the folder it lies in, one sub-folder per class")
    skipped: list[Skipped] = []
    files: list[Listed] = []
    parts = brought_parts(root)
    if parts:
        classes = {part: _class_folders(folder, given, skipped) for part, folder in parts.items()}
        _check_same_classes(given, classes)
    else:
        classes = {None: _class_folders(root, given, skipped)}
    names = {name for folders in classes.values() for name in folders}
    if len(names) == 1:
        raise InputError(f"{given} holds one class only ({min(names)}); {_LAYOUT}")
    for part, folders in classes.items():
        for name in sorted(folders, key=natural_key):
            for folder in folders[name]:
                files += [Listed(file, name, part) for file in walk(folder, skipped)]
    if not files:
        raise InputError(f"{given} holds class folders but no files; put the images into them")
    return assemble(
        files,
        root=str(root),
        classes=names,
        skipped=skipped,
        strict=strict,
        progress=progress,
    )


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in listing(folder) if is_folder(entry)]


def brought_parts(root: Path) -> dict[str, Path]:
    """The folders of a brought split; empty where the folders are classes.

    A class may be called "train" (car, bus, train): it is a part beside a val or test folder, or
    where it stands alone and holds class folders.

    Args:
        root: a folder.

    Returns:
        ``"train"``, ``"val"``, ``"test"`` -> folder.

    Raises:
        InputError: two folders mean the same part.

    Example:
        >>> brought_parts(Path("photos"))  # doctest: +SKIP
        {'train': PosixPath('photos/train'), 'val': PosixPath('photos/valid')}
    """
    folders = _folders(root)
    named = [(f, part_meant(f.name)) for f in folders if part_meant(f.name)]
    parts = {part for _, part in named}
    alone = len(named) == len(folders) and any(_folders(folder) for folder, _ in named)
    if not (alone or ("train" in parts and len(parts) > 1)):
        return {}
    found: dict[str, Path] = {}
    for folder, part in named:
        if part in found:
            raise InputError(
                f"{root} holds both {found[part].name}/ and {folder.name}/; "
                f"merge them or take one away, for both mean {part}"
            )
        found[part] = folder
    return found


def _class_folders(folder: Path, given: str, skipped: list[Skipped]) -> dict[str, list[Path]]:
    entries = listing(folder)
    if not entries:
        raise InputError(f"{folder} is empty; {_LAYOUT}")
    loose = [e for e in entries if e.suffix.lower() in IMAGE_SUFFIXES and not is_folder(e)]
    folders: dict[str, list[Path]] = {}
    for entry in entries:
        if is_folder(entry):
            folders.setdefault(class_name(entry.name), []).append(entry)
    if not folders:
        what = f"{len(loose)} images" if loose else f"{len(entries)} files"
        raise InputError(f"{folder} holds {what} but no class folders; {_LAYOUT}")
    skipped += [Skipped(str(image), "lies outside the class folders") for image in loose]
    return folders


def _check_same_classes(given: str, classes: dict[str, dict[str, list[Path]]]) -> None:
    (first, reference), *others = classes.items()
    for part, folders in others:
        differing = sorted(set(reference) ^ set(folders), key=natural_key)
        if differing:
            name = differing[0]
            has, lacks = (first, part) if name in reference else (part, first)
            raise InputError(
                f"{given}: class {name!r} is in the {has} part but not in the {lacks} part; "
                "give every part the same class folders"
            )
