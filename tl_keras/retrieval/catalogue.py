"""Pictures that can be searched: an index and the model that made it, in one folder."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.data.decoding import open_regular
from tl_keras.data.examples import Examples
from tl_keras.data.locks import only_one
from tl_keras.data.scanning import DIGEST_BYTES
from tl_keras.errors import InputError
from tl_keras.retrieval.catalogue_changes import Changes, bring_up_to_date
from tl_keras.retrieval.catalogue_folder import (
    LOCK_FILE,
    check_place,
    check_same,
    read_description,
    write_description,
)
from tl_keras.retrieval.catalogue_rows import DIGEST, catalogue_rows, root_of
from tl_keras.retrieval.index_folder import POINTER
from tl_keras.retrieval.store import Hit
from tl_keras.retrieval.vector_index import VectorIndex

if TYPE_CHECKING:
    from tl_keras.retrieval.embedding import Embedder

_NEARLY = 0.999  # cosine below which two files are not the same bytes


class Catalogue:
    """Pictures in an index, and the model that made their vectors.

    Any number of processes search while one brings it up to date; nothing but :meth:`search`
    loads the model.

    Args:
        folder: What :func:`index_catalogue` made.
        embedder: The model, where it is open already or lies elsewhere by now.

    Attributes:
        folder: Where it is.
        root: The folder that ids are relative to.
        columns: What is known of pictures: names, and ``"number"``, ``"truth"`` or ``"text"``.
        source: What opens the model (:func:`tl_keras.retrieval.open_embedder`).
        index: The vectors, a :class:`VectorIndex`.
        changes: What the call that returned this changed; None where it was only opened.

    Raises:
        InputError: There is no catalogue, or it is of another model.

    Example:
        >>> shop = open_catalogue("index/")  # doctest: +SKIP
        >>> shop.search("query.jpg", k=5, where={"gender": "Women"})[0].id  # doctest: +SKIP
        'images/10000.jpg'
    """

    def __init__(self, folder: str | Path, embedder: "Embedder | None" = None) -> None:
        self.folder = Path(folder)
        said = read_description(self.folder)
        self.root, self.source = Path(said["root"]), said["embedder"]
        self.columns: dict[str, str] = said["columns"]
        self.changes: Changes | None = None
        if embedder is not None:
            self.embedder = embedder
        fingerprint = said["fingerprint"] if embedder is None else embedder.fingerprint
        self.index = VectorIndex(self.folder, fingerprint)

    @functools.cached_property
    def embedder(self) -> "Embedder":
        """The model, opened where it is first needed.

        Raises:
            InputError: It is gone, or has been trained again since.
        """
        from tl_keras.retrieval.embedding import open_embedder

        try:
            found = open_embedder(self.source)
        except InputError as error:
            raise InputError(f"{self.folder}: its model cannot be opened: {error}") from None
        if found.fingerprint != self.index.fingerprint:
            raise InputError(
                f"{self.folder} was made with another model than what {_named(self.source)} is "
                "now, and their vectors do not compare; index the catalogue again into another "
                "folder, or give the model it was made with"
            )
        return found

    def check_ready(self) -> None:
        """Raise if nothing can be found: the catalogue is empty, or its model cannot be opened.

        Raises:
            InputError: So it is.
        """
        if not self.index.count():
            raise InputError(f"{self.folder} is empty; put pictures into it with tl-keras index")
        _ = self.embedder

    def path_of(self, item: str) -> Path:
        """The file of an item.

        Args:
            item: Its id.
        """
        return self.root / item

    def search(
        self,
        source: Any,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        collapse: float | None = None,
        exclude: Sequence[str] = (),
    ) -> list[Hit]:
        """The k pictures most like one; files with its very bytes are left out.

        Args:
            source: A path, the bytes of an image file, or a uint8 array (H, W, 3), 0..255.
            k: How many; fewer come only where fewer satisfy ``where``.
            where: ``{"gender": "Women", "price": {"<": 30}}``: see
                :func:`tl_keras.retrieval.filters.conditions`.
            collapse: Leave out what has at least this cosine with a better hit; it is named in
                that one's ``duplicates``.
            exclude: Ids to leave out.

        Returns:
            The hits, best first.

        Raises:
            InputError: The source is no picture, the catalogue is empty, or an argument is out of
                range.
        """
        vector = self.vector(source)
        own = self.copies(source, vector)
        return self.index.search(
            vector, k, where=where, exclude=[*own, *exclude], collapse=collapse
        )

    def similar(
        self,
        item: str,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        collapse: float | None = None,
        exclude: Sequence[str] = (),
    ) -> list[Hit]:
        """The k pictures most like one of the catalogue, without loading the model.

        Args:
            item: Its id; it and what has its very bytes are left out.
            k: As of :meth:`search`.
            where: As of :meth:`search`.
            collapse: As of :meth:`search`; what all but repeats the item itself is left out, too.
            exclude: As of :meth:`search`.

        Raises:
            InputError: There is no such item, or an argument is out of range.
        """
        (vector,), (values,) = self.index.vectors([item]), self.index.metadata([item])
        own = self._with_bytes(values[DIGEST], vector)
        return self.index.similar(item, k, where=where, exclude=[*own, *exclude], collapse=collapse)

    def vector(self, source: Any) -> np.ndarray:
        """The vector of a picture, float32 (D,).

        Args:
            source: As of :meth:`search`.

        Raises:
            InputError: It is no picture, or nothing is in the catalogue to compare it with.
        """
        self.check_ready()
        one = source[None] if isinstance(source, np.ndarray) else [source]
        return self.embedder.vectors(one)[0]

    def copies(self, source: Any, vector: np.ndarray) -> list[str]:
        """Ids of the files that have the very bytes of a picture.

        Args:
            source: As of :meth:`search`; an array has none.
            vector: Of it.

        Raises:
            InputError: The file is gone.
        """
        if isinstance(source, np.ndarray):
            return []
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        if isinstance(source, bytes):
            digest.update(source)
        else:
            with open_regular(source) as file:
                digest = hashlib.file_digest(file, lambda: digest)
        return self._with_bytes(digest.hexdigest(), vector)

    def _with_bytes(self, digest: str, vector: np.ndarray) -> list[str]:
        """Equal bytes have equal vectors, so they stand first."""
        k = 8
        while True:
            hits = self.index.search(vector, k)
            if len(hits) < k or hits[-1].score < _NEARLY:
                return [hit.id for hit in hits if hit.metadata.get(DIGEST) == digest]
            k *= 4


def open_catalogue(folder: str | Path, embedder: "Embedder | None" = None) -> Catalogue:
    """Open what :func:`index_catalogue` made.

    Args:
        folder: Where it is.
        embedder: The model, where it is open already or lies elsewhere by now.

    Raises:
        InputError: There is no catalogue, or it is of another model.

    Example:
        >>> open_catalogue("index/").similar("images/10000.jpg", k=5)  # doctest: +SKIP
    """
    return Catalogue(folder, embedder)


def index_catalogue(
    examples: Examples, folder: str | Path, embedder: "Embedder", verbose: bool = False
) -> Catalogue:
    """Makes a catalogue of a table's pictures, or brings one up to date with it.

    Files whose bytes are in the index are not embedded again, wherever they lie by now; items
    whose files are not in the table are deleted.  Killed at any moment, the catalogue opens, each
    item as before or as after, and the next run goes on from there.

    Args:
        examples: The pictures, of ``read_catalogue`` or any reader.
        folder: Where; made if it is not there.
        embedder: Makes the vectors.
        verbose: Whether a progress bar is shown on standard error.

    Returns:
        The catalogue; its ``changes`` say what was done.

    Raises:
        InputError: The folder holds something else, the catalogue of other pictures or of another
            model, or cannot be written.

    Example:
        >>> from tl_keras.retrieval import open_embedder, read_catalogue
        >>> embedder = open_embedder("saved_models/fashion")  # doctest: +SKIP
        >>> shop = index_catalogue(read_catalogue("shop/"), "index/", embedder)  # doctest: +SKIP
        >>> shop.changes.added  # doctest: +SKIP
        1998
    """
    folder, root = Path(folder), root_of(examples)
    rows = catalogue_rows(examples, root)
    check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder / LOCK_FILE):
            if not (folder / POINTER).exists():
                VectorIndex.create(folder, embedder.dimension, embedder.fingerprint)
            index = VectorIndex(folder, embedder.fingerprint)
            check_same(folder, index, root, rows.ids)
            write_description(
                folder,
                {
                    "root": str(root),
                    "embedder": embedder.source,
                    "fingerprint": embedder.fingerprint,
                    "columns": rows.columns,
                },
            )
            changes = bring_up_to_date(index, examples, rows, embedder, verbose)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}); what was in it still is"
        ) from None
    catalogue = Catalogue(folder, embedder)
    catalogue.changes = changes
    return catalogue


def _named(source: Mapping[str, Any]) -> str:
    return str(source.get("artefact") or source.get("backbone"))
