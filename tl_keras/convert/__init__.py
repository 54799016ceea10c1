"""Other signals as images: sound, series, mouse tracks and pages, written as examples.

One function for each kind reads files, renders square pictures and returns
:class:`tl_keras.data.Examples` with label, group, split, source and offset of each.  How a signal
is rendered is one object (``SoundImage``, ``SeriesImage``, ``TrackImage``, ``PageImage``): it
states every axis, unit and range, and is stored beside the pictures, so that new signals are
rendered as those of the training were (``like=``).  The names below are imported on first use.

Example:
    >>> import tl_keras as tl
    >>> examples = tl.convert.sound("clips/", "pictures/")  # doctest: +SKIP
    >>> train, val = examples.split(0.2, seed=0)  # doctest: +SKIP
"""

import importlib
from typing import Any

_PUBLIC = {
    "sound": "sounds",
    "SoundImage": "sound_image",
    "mel_spectrogram": "spectrogram",
    "series": "time_series",
    "SeriesImage": "series_image",
    "series_sheet": "series_comparison",
    "gramian_angular_field": "series_fields",
    "markov_transition_field": "series_fields",
    "recurrence_plot": "series_fields",
    "tracks": "mouse_tracks",
    "TrackImage": "track_image",
    "scripted_track": "scripted",
    "pages": "document_pages",
    "PageImage": "page_image",
    "load_settings": "settings",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.convert' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.convert.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
