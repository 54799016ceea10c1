"""Feature pyramids: strides, sizes and alignment of every base; bases of a user's own."""

import gc

import keras
import numpy as np
import pytest

from tl_keras.backbones.alignment import first_centres
from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.freezing import freeze, trainable_stages, unfreeze
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.pyramid import STRIDES, pyramid_features, pyramid_taps
from tl_keras.backbones.registry import find_backbone, get_backbone, list_backbones
from tl_keras.backbones.stages import stage_map
from tl_keras.errors import InputError

# "Same" padding, padding layers with squeeze-and-excite, and no padding at all.
QUICK = {("mobilenet_025", 207), ("mobilenet_v3_small_075", 224), ("inception_v3", 207)}
BUILT_IN = [name for name in list_backbones() if get_backbone(name).weights]
CASES = [
    pytest.param(name, size, marks=() if (name, size) in QUICK else pytest.mark.slow)
    for name in BUILT_IN
    for size in (224, 207)
]
SQUARE, PLACES = 16, [(y, x) for y in (72, 136) for x in (72, 136)]
# Where sums along many shortcuts would saturate ReLU6, or spread light over the whole map, the
# branches have to be fainter than what they are added to.
FAINT = ("mobilenet_v2", "resnet152", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2")


def averaging(base):
    """Every kernel to one that averages over its window, so that light spreads evenly from where
    it falls; channels differ at random."""
    total = 0.5 if base.name.startswith(FAINT) else 1.0
    rng = np.random.default_rng(0)
    for layer in base._flatten_layers():
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        for variable in layer.variables if not isinstance(layer, keras.Model) else ():
            if "kernel" not in variable.name or len(variable.shape) != 4:
                continue
            one = np.ones((*variable.shape[:2], 1, 1))
            kernel = rng.uniform(0.5, 1.5, (1, 1, *variable.shape[2:])) * one
            alone = depthwise or variable.name == "depthwise_kernel"
            kernel *= total / kernel.sum(axis=(0, 1) if alone else (0, 1, 2), keepdims=True)
            variable.assign(kernel.astype("float32"))


def lit(maps):
    """Of pictures with a bright square, how much each cell differs from the first, the plain one:
    (places, rows, columns), summing to 1."""
    change = maps[1:] - maps[:1]
    change -= np.median(change, axis=(1, 2), keepdims=True)  # what a gate does to all cells
    change /= np.abs(change).max(axis=(1, 2, 3), keepdims=True)
    power = (change**2).sum(axis=-1)
    return power / power.sum(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize(("name", "size"), CASES)
def test_a_bright_square_lights_the_cell_that_covers_it(name, size):
    base = build_backbone(name, size, weights=None)
    averaging(base)
    image = keras.Input((size, size, 3))
    features = pyramid_features(base, apply_preprocessing(get_backbone(name), image))
    assert {s: x.shape[1:3] for s, x in features.items()} == {
        s: (-(-size // s), -(-size // s)) for s in STRIDES
    }
    pictures = np.full((1 + len(PLACES), size, size, 3), 180, "float32")
    for picture, (y, x) in zip(pictures[1:], PLACES, strict=True):
        picture[y : y + SQUARE, x : x + SQUARE] = 255
    maps = keras.Model(image, list(features.values())).predict_on_batch(pictures)
    centres = first_centres(base)
    taps = pyramid_taps(base)
    for stride, values in zip(features, maps, strict=True):
        shares = lit(np.asarray(values))
        wanted = (np.array(PLACES) + SQUARE / 2) / stride - 0.5  # cells, if they divide the image
        brightest = [np.unravel_index(share.argmax(), share.shape) for share in shares]
        assert np.abs(brightest - wanted).max() <= 1 + SQUARE / 2 / stride, stride
        cells = np.arange(shares.shape[1])
        found = np.stack([shares.sum(axis=2) @ cells, shares.sum(axis=1) @ cells], axis=1)
        # As much as the arithmetic of receptive fields says, up to half a cell.  Averaged over
        # places: near its borders a map is lit less than its middle.
        shift = centres[id(taps[stride])] / stride - 0.5
        off = (wanted - found).mean()
        assert abs(off - (shift - np.round(shift))) < 0.25, (stride, off)
    del base, features
    keras.backend.clear_session()
    gc.collect()


def test_unaligned_maps_fail_the_alignment_that_the_grid_passes():
    """The check above can fail: unpadded convolutions shift a map by two cells."""
    base = build_backbone("inception_v3", 207, weights=None)
    averaging(base)
    pictures = np.full((2, 207, 207, 3), 0.2, "float32")
    pictures[1, 96:112, 96:112] = 1.0
    for bring, off in ((lambda x: pyramid_features(base, x, (4,)), 0.25), (None, 2.5)):
        image = keras.Input((207, 207, 3))
        if bring is None:
            image, tensor = base.input, pyramid_taps(base, (4,))[4]
        else:
            tensor = bring(image)[4]
        share = lit(np.asarray(keras.Model(image, tensor).predict_on_batch(pictures)))[0]
        found = share.sum(axis=1) @ np.arange(share.shape[0])
        assert abs(abs(104 / 4 - 0.5 - found) - off) < 0.7


def test_the_base_inside_has_its_stages_and_can_be_unfrozen():
    base = build_backbone("mobilenet_v3_small_075", 64, weights=None)
    base.trainable = False
    image = keras.Input((64, 64, 3))
    features = pyramid_features(base, image)
    model = keras.Model(image, keras.layers.Flatten()(features[8]))
    whole, inside = stage_map(base), stage_map(find_backbone(model))
    # The model holds all layers down to the coarsest map, in the same stages and the same blocks.
    assert inside.names == whole.names
    for one, other in zip(inside, whole, strict=True):
        assert one.layers == other.layers[: len(one.layers)]
        assert {block.name for block in one.blocks} <= {block.name for block in other.blocks}
    assert not model.trainable_variables
    assert unfreeze(model, 1) == ["stage5"] == trainable_stages(model)
    last = {id(v) for layer in inside["stage5"].layers for v in layer.trainable_variables}
    assert last and {id(v) for v in model.trainable_variables} == last
    freeze(model, "all")
    assert not model.trainable_variables


def test_one_stride_alone_and_the_order_asked_for():
    base = build_backbone("mobilenet_025", 64, weights=None)
    image = keras.Input((64, 64, 3))
    assert list(pyramid_taps(base, (32, 8))) == [32, 8]
    assert pyramid_features(base, image, (16,))[16].shape == (None, 4, 4, 128)


def test_a_stride_that_the_base_has_not_is_refused_by_name():
    base = build_backbone("convnext_tiny", 64, weights=None)
    with pytest.raises(InputError, match=r"convnext_tiny has no feature map of stride 2; .* 4, 8"):
        pyramid_taps(base, (2, 4))


def test_a_stage_inside_a_nested_model_is_refused():
    inner = keras.Sequential(
        [keras.Input((32, 32, 3))] + [keras.layers.Conv2D(4, 3, 2, "same") for _ in range(3)]
    )
    image = keras.Input((32, 32, 3))
    base = keras.Model(image, keras.layers.ReLU()(inner(image)), name="wrapped")
    assert pyramid_taps(base, (8,))[8].shape == (None, 4, 4, 4)
    with pytest.raises(InputError, match="stride 4 inside a nested model"):
        pyramid_taps(base, (4, 8))


def chain(size, rng):
    """A random chain of convolutions, pools and paddings, with kernels that average."""
    image = x = keras.Input((size, size, 1))
    for _ in range(rng.integers(2, 6)):
        kind = rng.integers(4)
        kernel, stride = int(rng.integers(1, 6)), int(rng.integers(1, 3))
        padding = ("same", "valid")[rng.integers(2)]
        if kind == 0:
            ones = keras.initializers.Constant(1 / kernel**2)
            options = {"kernel_initializer": ones, "use_bias": False, "padding": padding}
            x = keras.layers.Conv2D(1, kernel, stride, **options)(x)
        elif kind == 1:
            x = keras.layers.AveragePooling2D(kernel, stride, padding)(x)
        elif kind == 2:
            sides = tuple(map(int, rng.integers(0, 4, 2)))
            x = keras.layers.ZeroPadding2D((sides, sides))(x)
        else:
            x = keras.layers.Cropping2D(((1, 0), (1, 0)))(x)
    return keras.Model(image, x)


@pytest.mark.parametrize("seed", range(8))
def test_first_centres_of_random_chains_are_where_light_must_fall(seed):
    """A ramp of brightness reads out the place: a linear averaging map returns its own centre."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(90, 110))
    model = chain(size, rng)
    ramp = np.broadcast_to(np.arange(size) + 0.5, (1, size, size))[..., None].astype("float32")
    seen = np.asarray(model(np.swapaxes(ramp, 1, 2)))[0, :, :, 0]
    middle = len(seen) // 2
    stride = seen[middle + 1, middle] - seen[middle, middle]
    centre = first_centres(model)[id(model.output)]
    assert seen[middle, middle] == pytest.approx(centre + middle * stride, abs=1e-2)
