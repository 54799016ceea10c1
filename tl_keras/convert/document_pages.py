"""Documents to pictures of their pages' layout, as examples."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.convert.page_image import PageImage
from tl_keras.convert.settings import chosen
from tl_keras.convert.sources import Source, find_sources
from tl_keras.convert.writing import Picture, check_output, write_examples
from tl_keras.data.decoding import UnreadableImageError, read_image
from tl_keras.data.examples import Examples, Skipped
from tl_keras.errors import InputError

SUFFIXES = {".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".pgm", ".gif"}


def pages(
    source: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    image: PageImage | None = None,
    *,
    names: str | None = None,
    like: str | os.PathLike | None = None,
    progress: bool = True,
) -> Examples:
    """Converts pages (PDF or images) to pictures of their layout, to tell templates apart.

    Every page of a PDF is a picture of its own; they share the document as their group.  Of a TIFF
    the first page is read.

    Args:
        source: a folder with a sub-folder for each class, a file, or a list of files.
        out: an empty or new folder for the pictures.
        image: how to render; by default ``PageImage()``.
        names: where class, group and part stand in the paths; see
            :func:`tl_keras.convert.sources.find_sources`.
        like: the folder of an earlier conversion, whose settings are used.
        progress: show a bar on standard error when it takes long.

    Returns:
        The examples.  ``groups``: ``{group}`` of ``names``, else the document;
        ``extra["offset"]``: number of the page, from 1.  Encrypted and broken documents and blank
        pages are in ``skipped``.

    Raises:
        InputError: nothing to convert, an argument is unusable, or a PDF is among the files and
            ``pypdfium2`` is not installed.

    Example:
        >>> tl.convert.pages("invoices/", "out/")  # doctest: +SKIP
    """
    image = chosen(PageImage, image, like)
    sources = find_sources(source, SUFFIXES, names)
    if any(_is_pdf(one) for one in sources):
        _pdfium()
    root = check_output(out)
    return write_examples(
        root, _pictures(sources, image), image, source=str(source), progress=progress
    )


def _is_pdf(source: Source) -> bool:
    return Path(source.path).suffix.lower() == ".pdf"


def _pdfium() -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise InputError(
            "reading PDF needs the pypdfium2 package: pip install 'tl-keras[pages]'; or give "
            "images of the pages"
        ) from None
    return pypdfium2


def _pictures(sources: Sequence[Source], image: PageImage) -> Iterator[Picture | Skipped]:
    for one in sources:
        read = _pdf_pages(one, image.dpi) if _is_pdf(one) else _image_page(one)
        for number, page in enumerate(read, start=1):
            if isinstance(page, Skipped):
                yield page
                continue
            pixels = image.render(page)
            if pixels is None:
                yield Skipped(f"{one.path} page {number}", "a blank page")
                continue
            name = f"{one.name}_{number:04d}" if _is_pdf(one) else one.name
            yield Picture(
                pixels, name, one.label, one.group or one.name, one.split, one.path, str(number)
            )


def _image_page(source: Source) -> Iterator[np.ndarray | Skipped]:
    try:
        yield read_image(source.path)
    except UnreadableImageError as error:
        yield Skipped(source.path, error.reason)


def _pdf_pages(source: Source, dpi: int) -> Iterator[np.ndarray | Skipped]:
    pdfium = _pdfium()
    if not Path(source.path).stat().st_size:
        yield Skipped(source.path, "zero bytes")
        return
    try:
        document = pdfium.PdfDocument(source.path)
    except (pdfium.PdfiumError, OSError) as error:
        locked = "password" in str(error).casefold()
        yield Skipped(
            source.path,
            "encrypted; save it without a password" if locked else "no PDF that can be read",
        )
        return
    try:
        for number in range(len(document)):
            try:
                bitmap = document[number].render(scale=dpi / 72, grayscale=True)
                yield bitmap.to_numpy().reshape(bitmap.height, bitmap.width).copy()
            except pdfium.PdfiumError as error:
                yield Skipped(f"{source.path} page {number + 1}", f"cannot be drawn: {error}")
    finally:
        document.close()
