"""A Keras cache of weights, random ones, of a tiny base: for tests of what is at hand."""

import contextlib

import h5py
import keras
import pytest
import tiny_backbone
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tl_keras.backbones import registry
from tl_keras.backbones.record import Backbone


def _tiny(input_shape, weights=None):
    assert weights is None  # else the builder would fetch them
    return tiny_backbone.base(input_shape)


@contextlib.contextmanager
def keras_home(home, name, sizes):
    """Within, KERAS_HOME is this folder, and a base of this name is known.

    Args:
        home: A folder that is there.
        name: Of the base.
        sizes: Image sizes, px, for which there are weights.

    Yields:
        A function that writes the weights of a base for a size.
    """
    (home / "models").mkdir()
    record = Backbone(
        name, _tiny, image_size=64, preprocessing="tf", weights=("imagenet",),
        weights_file=f"{name}_{{size}}.h5",
    )  # fmt: skip

    def write(size, base):
        with h5py.File(home / "models" / f"{name}_{size}.h5", "w") as file:
            save_weights_to_hdf5_group(file, base)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._RECORDS, name, record)
        patch.setenv("KERAS_HOME", str(home))
        for size in sizes:
            keras.utils.set_random_seed(size)
            write(size, tiny_backbone.base((64, 64, 3)))
        yield write
