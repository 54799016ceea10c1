"""Strangers' XML: read by the standard parser, which is kept from anything that could grow."""

import os
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tl_keras.errors import InputError

# An annotation takes some KiB; the largest of a whole street, a few MiB.
_MOST_BYTES = 64 * 2**20
_DEEPEST = 100


def read_xml(path: str | os.PathLike) -> Element:
    """Reads an XML file; declarations of entities are refused, so none can expand ("a billion
    laughs") or fetch another file.

    Args:
        path: the file.

    Returns:
        Its root element.

    Raises:
        InputError: what is wrong with it, a few words.

    Example:
        >>> read_xml("no/such.xml")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no such file
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise InputError(f"elements in elements, over {_DEEPEST} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise InputError("declares entities, which are refused")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    file = Path(path)
    try:
        if not file.is_file():
            raise InputError("not a file" if file.exists() else "no such file")
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"over {_MOST_BYTES} bytes")
        data = file.read_bytes()
        if not data.strip():
            raise InputError("empty")
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        raise InputError(f"no sound XML ({error})") from None
    except OSError as error:
        raise InputError(error.strerror or "unreadable") from None
    except (ValueError, LookupError) as error:  # also of an encoding that nobody knows
        if isinstance(error, InputError):
            raise
        raise InputError(f"no sound XML ({' '.join(str(error).split())[:100]})") from None
