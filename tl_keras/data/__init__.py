"""Images and their labels: reading, checking, splitting, and the one pipeline to pixels.

``from_folder`` reads a folder into :class:`Examples`, one immutable table of paths and labels.
Splitting works on the table; pixels come last, through one decoder and one resizer that training
and prediction share.  The names below are imported on first use.

Example:
    >>> from tl_keras.data import from_folder
    >>> train, val = from_folder("photos/").split(0.2, seed=0)  # doctest: +SKIP
    >>> batches = train.dataset(batch_size=32, image_size=224, shuffle=True)  # doctest: +SKIP
"""

import importlib
from typing import Any

_PUBLIC = {
    "Examples": "examples",
    "Skipped": "examples",
    "Boxes": "boxes",
    "Mask": "masks",
    "from_folder": "folders",
    "from_files": "files",
    "from_class_folder": "one_class",
    "open_data": "reading.opening",
    "from_csv": "reading.tables",
    "from_voc": "reading.voc",
    "from_coco": "reading.coco",
    "from_yolo": "reading.yolo",
    "from_masks": "reading.mask_folders",
    "from_archive": "reading.archive",
    "from_arrays": "reading.arrays",
    "from_huggingface": "reading.huggingface",
    "from_tfds": "reading.tfds",
    "from_tfrecord": "reading.tfrecord",
    "UnreadableImageError": "decoding",
    "read_image": "decoding",
    "load_image": "decoding",
    "DECODER": "decoding",
    "MAX_PIXELS": "decoding",
    "resize_image": "resizing",
    "set_epoch": "pipeline",
    "balance_classes": "balancing",
    "batch_by_identity": "identity_batches",
    "split_fingerprint": "splitting",
    "with_classes": "renaming",
    "reading_errors": "pipeline",
    "Frame": "framing",
    "frame_of": "framing",
    "PRESETS": "augment",
    "Sample": "augment",
    "augmentation_layers": "augment",
    "contact_sheet": "augment",
    "preset": "augment",
    "check": "checking.running",
    "cleaned": "checking.cleaning",
    "Finding": "checking.findings",
    "sample_set": "samples",
    "generate_sample": "samples",
    "write_sample_set": "samples",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.data.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
