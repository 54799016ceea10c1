"""What the page asks for and what it is told, whatever carries it: no HTTP in here."""

import io
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from PIL import Image

from tl_keras.data.decoding import UnreadableImageError, decode, open_regular
from tl_keras.errors import InputError
from tl_keras.retrieval.catalogue_rows import shown_columns
from tl_keras.retrieval.page.overview import Overview

MAX_UPLOAD = 20 * 2**20
"""Bytes of a picture that is sent; a photo of a phone has 3 to 12 MB."""

_MOST = 200  # results
_SIDE = 320  # px of a picture's longer side
_KEPT = 1000  # pictures, about 15 kB each
# Cosines from which two pictures are near-duplicates; training for likeness brings whole classes
# near each other.
_COLLAPSE, _COLLAPSE_TRAINED = 0.98, 0.999
_LONGEST_WHERE = 4096  # characters


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: As of HTTP.
        kind: As of HTTP's ``Content-Type``.
        body: The bytes.
        lasting: Whether it may be kept for some minutes.
    """

    status: int
    kind: str
    body: bytes
    lasting: bool = False


def told(value: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(status, "application/json", json.dumps(value, allow_nan=False).encode())


class Answers:
    """Answers questions about one catalogue; any number of threads may ask at once.

    Args:
        catalogue: Of :func:`tl_keras.retrieval.open_catalogue`.

    Example:
        >>> Answers(open_catalogue("shoes")).about({}).status  # doctest: +SKIP
        200
    """

    def __init__(self, catalogue: Any) -> None:
        self._catalogue = catalogue
        # One picture through the network at a time, and few decoded ones in memory.
        self._search, self._decoding = threading.Lock(), threading.BoundedSemaphore(2)
        trained = catalogue.embedder.task_name == "embed"
        self._collapse = _COLLAPSE_TRAINED if trained else _COLLAPSE
        self._overview = Overview(catalogue.index)
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._kept = threading.Lock()

    def about(self, asked: Mapping[str, str]) -> Answer:
        """Name, size and filters of the catalogue as it is now."""
        with self._search:
            self._overview = overview = Overview(self._catalogue.index)
        return told(
            {
                "name": self._catalogue.index.folder.resolve().name,
                "items": overview.total,
                "looked_at": len(overview.ids),
                "filters": overview.filters(),
                "max_upload": MAX_UPLOAD,
            }
        )

    def items(self, asked: Mapping[str, str]) -> Answer:
        """Items to pick from: ``start``, ``k``, ``where``."""
        start = _whole(asked, "start", 0, 0, 10**9)
        some, fitting = self._overview.some(_where(asked), start, _whole(asked, "k", 24, 1, _MOST))
        listed = [{"id": one, "metadata": shown_columns(row)} for one, row in some]
        return told({"items": listed, "fitting": fitting})

    def similar(self, asked: Mapping[str, str]) -> Answer:
        """What is like an item of the catalogue: ``id``, ``k``, ``where``, ``collapse``."""
        item, options = asked.get("id", ""), self._options(asked)
        with self._search:
            row = self._of(item)
            if row is None:
                return told({"error": f"the catalogue has no {item!r} (any more)"}, 404)
            hits = self._catalogue.similar(item, **options)
            fitting = self._catalogue.index.count(options["where"])
        query = {"id": item, "metadata": shown_columns(row)}
        return told({"query": query, "hits": _listed(hits), "fitting": fitting})

    def search(self, asked: Mapping[str, str], picture: bytes) -> Answer:
        """What is like a picture: ``k``, ``where``, ``collapse``."""
        options = self._options(asked)
        try:
            with self._search:
                hits = self._catalogue.search(picture, **options)
                fitting = self._catalogue.index.count(options["where"])
        except UnreadableImageError as problem:
            return told({"error": f"this picture cannot be read: {problem.reason}"}, 400)
        return told({"hits": _listed(hits), "fitting": fitting})

    def picture(self, asked: Mapping[str, str]) -> Answer:
        """A picture of the catalogue made small: ``id``.

        What is no id of the catalogue leads to no file, and of a file that is no picture nothing
        is told.
        """
        item = asked.get("id", "")
        with self._kept:
            data = self._pictures.get(item)
        if data is None:
            with self._search:
                known = self._of(item) is not None
            if not known:
                return told({"error": "no such picture"}, 404)
            try:
                with self._decoding:
                    data = _small(self._catalogue.path_of(item))
            except UnreadableImageError:
                return told({"error": "the file is gone, or is no picture any more"}, 404)
        with self._kept:
            self._pictures[item] = data
            self._pictures.move_to_end(item)
            while len(self._pictures) > _KEPT:
                self._pictures.popitem(last=False)
        return Answer(200, "image/jpeg", data, lasting=True)

    def _options(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Arguments of a search, from those of an address."""
        return {
            "k": _whole(asked, "k", 24, 1, _MOST),
            "where": _where(asked),
            "collapse": self._collapse if asked.get("collapse") == "1" else None,
        }

    def _of(self, item: str) -> dict[str, Any] | None:
        try:
            return self._catalogue.index.metadata([item])[0]
        except InputError:
            return None


def _small(path: Any) -> bytes:
    with open_regular(path) as file:
        pixels = decode(file, str(path), at_least=_SIDE, longer=True)
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def _listed(hits: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": hit.id,
            "score": round(float(hit.score), 4),
            "metadata": shown_columns(hit.metadata),
            "duplicates": list(hit.duplicates),
        }
        for hit in hits
    ]


def _whole(asked: Mapping[str, str], name: str, usual: int, low: int, high: int) -> int:
    text = asked.get(name, str(usual))
    if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high:
        raise InputError(f"{name} is a whole number from {low} to {high}, not {text[:40]!r}")
    return int(text)


def _where(asked: Mapping[str, str]) -> dict[str, Any] | None:
    text = asked.get("where", "")
    if not text:
        return None
    try:
        where = json.loads(text) if len(text) <= _LONGEST_WHERE else None
    except (ValueError, RecursionError):
        where = None
    if not isinstance(where, dict):
        raise InputError(f"where is a JSON object of columns, not {text[:40]!r}")
    return where or None
