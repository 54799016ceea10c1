"""Small pictures of a page, each written once however often it is shown."""

from html import escape

from tl_keras.errors import InputError
from tl_keras.evaluation.measured_images import MeasuredImages
from tl_keras.evaluation.report_blocks import image_data

_MOST = 300  # pictures of a page, about 4 kB each
_SIDE = 128  # px


class PicturePool:
    """Pictures as rules of a style sheet, which any number of figures refer to.

    A browser decodes a picture when a figure with it comes to be shown, not before.

    Args:
        images: Where they come from.
        most: At most so many different ones; figures of more have words alone.

    Example:
        >>> import numpy as np
        >>> pool = PicturePool(MeasuredImages((np.zeros((1, 8, 8, 3)), [0]), 8, "crop"))
        >>> pool.figure(0, "ant") == pool.figure(0, "ant"), pool.style.count("data:image")
        (True, 1)
    """

    def __init__(self, images: MeasuredImages, most: int = _MOST) -> None:
        self.images = images
        self._left = most
        self._data: dict[int, str | None] = {}

    def take(self, index: int) -> bool:
        """Whether there is a picture of this image: now, or since before."""
        if index not in self._data:
            if not self._left:
                return False
            try:
                self._data[index] = image_data(self.images.read(index), _SIDE)
                self._left -= 1
            except (InputError, OSError):  # gone or damaged since training
                self._data[index] = None
        return self._data[index] is not None

    def figure(self, index: int, words: str, kind: str = "") -> str:
        """A picture with the name of its file and words below.

        Args:
            index: Of the image.
            words: What is said of it.
            kind: Class of the style sheet, for its frame.

        Returns:
            HTML.
        """
        name = escape(self.images.name(index))
        short = escape(self.images.name(index).replace("\\", "/").rsplit("/", 1)[-1])
        if self.take(index):
            shown = f'<span class="p i{index}" role="img" aria-label="{name}"></span>'
        else:
            gone = "no longer readable" if index in self._data else "not shown"
            shown = f'<span class="p none">{gone}</span>'
        framed = f' class="{kind}"' if kind else ""
        return (
            f'<figure{framed}>{shown}<figcaption title="{name}"><b>{short}</b>'
            f"{escape(words)}</figcaption></figure>"
        )

    @property
    def style(self) -> str:
        """The rules, as CSS."""
        return "".join(
            f".i{index}{{background-image:url({data})}}\n"
            for index, data in self._data.items()
            if data is not None
        )
