"""Names on a disk: the natural order of classes, parts of a split, the files of the system."""

import re
import unicodedata

_SYSTEM = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "system volume information",
}

_PART_OF = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def natural_key(name: str) -> tuple:
    """Sorts as people count: ``class2`` before ``class10``, whatever the case.

    Args:
        name: a class or file name.

    Returns:
        A key for ``sorted``; names that differ have keys that differ.

    Example:
        >>> sorted(["class10", "Class2", "class1"], key=natural_key)
        ['class1', 'Class2', 'class10']
    """
    # Odd places hold the digits, so text never meets a number in a comparison.
    parts = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), name


def class_name(folder: str) -> str:
    """The class a folder's name stands for: its Unicode NFC form.

    macOS stores accents decomposed; without this, ``é`` from two machines would be two classes.

    Args:
        folder: the folder's own name.

    Returns:
        The name in NFC.

    Example:
        >>> class_name("cafe\\u0301") == "caf\\u00e9"
        True
    """
    return unicodedata.normalize("NFC", folder)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is the system's own and no part of the data.

    Args:
        name: its own name, without folders.

    Returns:
        True for dot files, ``Thumbs.db``, ``desktop.ini``, ``__MACOSX`` and the like.

    Example:
        >>> is_hidden(".DS_Store"), is_hidden("notes.txt")
        (True, False)
    """
    return name.startswith(".") or name.casefold() in _SYSTEM


def part_meant(name: str) -> str | None:
    """The part of a split that a folder, a list or a cell of a table is named after.

    Args:
        name: its own name.

    Returns:
        ``"train"``, ``"val"``, ``"test"``, or ``None`` where it is none of them.

    Example:
        >>> part_meant("Validation"), part_meant("cats")
        ('val', None)
    """
    return _PART_OF.get(name.strip().casefold())


def one_line(text: str) -> str:
    """A text with strangers' names in it as it may stand in a message.

    Args:
        text: the text.

    Returns:
        The same in one line: characters that cannot be printed become question marks.

    Example:
        >>> one_line("object 3 (white\\ncell)")
        'object 3 (white?cell)'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "?" for letter in text)
