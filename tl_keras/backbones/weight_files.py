"""Which ImageNet weights lie in Keras' cache already, found without Keras and without a network."""

import os
import re
import tempfile
from pathlib import Path

from tl_keras.backbones.record import Backbone

# The file that Keras takes for a size that none was published for.
_USUAL = 224


def weights_folder() -> Path:
    """Where Keras keeps weights: ``models`` in KERAS_HOME, by default ``~/.keras``.

    Where it cannot write there, Keras keeps them in the folder of temporary files.

    Example:
        >>> weights_folder().name
        'models'
    """
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    if home.exists() and not os.access(home, os.W_OK):
        home = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()) / ".keras"
    return home / "models"


def files_at_hand(record: Backbone) -> dict[int, Path]:
    """The files of a backbone's ImageNet weights that need no download.

    Args:
        record: The backbone.

    Returns:
        Image size, px, that the weights were made for -> file, the smallest size first; empty
        where there is none.

    Example:
        >>> from tl_keras.backbones.registry import get_backbone
        >>> files_at_hand(get_backbone("mobilenet_v2_035"))  # doctest: +SKIP
        {128: PosixPath('/home/me/.keras/models/mobilenet_v2_weights_..._0.35_128_no_top.h5')}
    """
    folder = weights_folder()
    if not record.weights_file or not folder.is_dir():
        return {}
    if "{size}" not in record.weights_file:
        file = folder / record.weights_file
        return {record.image_size: file} if file.is_file() else {}
    before, after = map(re.escape, record.weights_file.split("{size}"))
    found = {
        int(match[1]): file
        for file in folder.iterdir()
        if (match := re.fullmatch(rf"{before}(\d+){after}", file.name)) and file.is_file()
    }
    return dict(sorted(found.items()))


def file_for(record: Backbone, image_size: int) -> Path | None:
    """The file that Keras would take for an image size, where it is at hand.

    Args:
        record: The backbone.
        image_size: Side of the square image, px.

    Returns:
        The file; None where it is not there.

    Example:
        >>> from tl_keras.backbones.registry import get_backbone
        >>> file_for(get_backbone("nasnet_large"), 331) is None  # doctest: +SKIP
        True
    """
    found = files_at_hand(record)
    if "{size}" not in record.weights_file:
        return next(iter(found.values()), None)
    return found.get(image_size, found.get(_USUAL))
