"""Where ``preset`` was found before it moved to :mod:`tl_keras.data.augment`."""

from tl_keras.data.augment.presets import preset

__all__ = ["preset"]
