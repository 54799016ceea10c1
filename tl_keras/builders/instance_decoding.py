"""From an instance segmenter's maps to single things, inside the model."""

from typing import Any

import keras
import numpy as np

from tl_keras.builders.arguments import share, whole
from tl_keras.data.instances import Instances
from tl_keras.errors import InputError

_AT_ONCE = 10  # centres that are compared with every pixel at a time: what bounds the memory
_AWAY = 1e6  # px: where a centre stands that is none


def instances_model(
    model: keras.Model,
    *,
    max_things: int = 100,
    threshold: float = 0.1,
    window: int = 7,
    smallest: int = 4,
) -> keras.Model:
    """Put the grouping of pixels behind an instance segmenter: to predict with and to export.

    What ``tl_keras.evaluation.group_instances`` does to one image in numpy, for a batch, in tensors
    of fixed shape: a thing's centre is the highest heat of its window, a pixel that is not
    background goes to the centre nearest to where its offset points, a thing's class is that of
    most of its pixels (Panoptic-DeepLab; Cheng et al. 2020, https://arxiv.org/abs/1911.10194,
    section 3.3).  The two give the same answer but for what float32 cannot tell apart: a pixel half
    way between two centres, two things of equal score.

    Pixels meet ten centres at a time: 100 things take 150 to 400 bytes a pixel (TensorFlow on a
    CPU; over 600 where nothing waits) and a third of numpy's time.

    Args:
        model: A model of ``build_instance_segmenter``, whose layers are shared, not copied.
        max_things: K, at most so many things of an image.
        threshold: Least heat of a centre, 0 <= threshold < 1.
        window: Side of the window, px, odd; two centres are further apart than half of it.
        smallest: Least number of pixels of a thing; pixels of smaller ones belong to none.

    Returns:
        A functional ``keras.Model`` of built-in layers and ``keras.ops``: images as of ``model``
        -> a dict of ``"ids"``, int32 (batch, S, S), 0 for none, k + 1 for the pixels of the k-th
        thing, and ``"things"``, float32 (batch, K, 6): rows ``x1, y1, x2, y2`` in px, the hull of
        the pixels with far edges exclusive, class, score; best first; rows past the last thing are
        0, 0, 0, 0, -1, 0.  :func:`decoded_instances` makes things of both.

    Raises:
        InputError: An argument cannot be used, or the model is no instance segmenter.

    Example:
        >>> from tl_keras.builders.instance_segmenter import build_instance_segmenter
        >>> model = build_instance_segmenter("mobilenet_025", 3, image_size=64, weights=None)
        >>> found = instances_model(model, max_things=20).output
        >>> found["ids"].shape, found["things"].shape
        ((None, 64, 64), (None, 20, 6))
    """
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] < 5:
        raise InputError(
            f"model {getattr(model, 'name', model)!r} is no instance segmenter; give one of "
            "tl_keras.build_instance_segmenter"
        )
    if whole(window, 1, "window", "give an odd number") % 2 == 0:
        raise InputError(f"window={window!r} has no middle; give an odd number")
    ids, things = group_pixels(
        model.output,
        max_things=whole(max_things, 1, "max_things", "give 1 or more"),
        threshold=share(threshold, "threshold"),
        window=window,
        smallest=whole(smallest, 1, "smallest", "give 1 or more"),
    )
    outputs = {
        "ids": keras.layers.Identity(dtype="int32", name="ids")(ids),
        "things": keras.layers.Identity(dtype="float32", name="things")(things),
    }
    return keras.Model(model.input, outputs, name="instances")


def decoded_instances(ids: Any, things: Any) -> list[Instances]:
    """The answers of :func:`instances_model` as things.

    Args:
        ids: int (batch, H, W).
        things: float (batch, K, 6).

    Returns:
        One :class:`tl_keras.data.instances.Instances` for each image, by falling score.

    Raises:
        InputError: The shapes do not fit.

    Example:
        >>> found = decoded_instances([[[0, 1]]], [[[1, 0, 2, 1, 3, 0.5], [0, 0, 0, 0, -1, 0]]])
        >>> found[0].masks.tolist(), found[0].classes.tolist()
        ([[[False, True]]], [3])
    """
    ids, things = np.asarray(ids, np.int32), np.asarray(things, np.float32)
    if ids.ndim != 3 or things.ndim != 3 or things.shape[::2] != (len(ids), 6):
        raise InputError(
            f"ids of shape {ids.shape} and things of {things.shape}; expected (batch, H, W) and "
            "(batch, K, 6)"
        )
    found = []
    for own, rows in zip(ids, things, strict=True):
        rows = rows[rows[:, 4] >= 0]
        found.append(Instances(own, rows[:, 4].astype(np.int32), rows[:, 5].clip(0, 1)))
    return found


def group_pixels(
    predictions: Any, *, max_things: int, threshold: float, window: int, smallest: int
) -> tuple[Any, Any]:
    """What :func:`instances_model` does, on a segmenter's output.

    Args:
        predictions: Float32 (batch, H, W, C + 4), of ``build_instance_segmenter``, a tensor or a
            symbolic one.
        max_things: As of :func:`instances_model`, and so are the others.
        threshold: Least heat of a centre.
        window: Side of the window, px, odd.
        smallest: Least number of pixels of a thing.

    Returns:
        int32 (batch, H, W) and float32 (batch, K, 6), K no more than there are pixels.

    Example:
        >>> maps = np.zeros((1, 8, 8, 5), "float32")
        >>> maps[..., 0], maps[0, 4, 4, 2] = 1.0, 0.8
        >>> maps[0, 2:6, 2:6, :2] = 0.1, 0.9
        >>> ids, things = group_pixels(maps, max_things=1, threshold=0.1, window=7, smallest=4)
        >>> int(np.asarray(ids).sum()), np.asarray(things).round(2).tolist()
        (16, [[[2.0, 2.0, 6.0, 6.0, 0.0, 0.7200000286102295]]])
    """
    ops = keras.ops
    heat, columns, rows = _centres(predictions[..., -3:-2], threshold, window, max_things)
    there = ops.cast(heat > 0, "float32")
    probabilities = predictions[..., :-3]
    label = _first_highest(probabilities, -1)
    some = ops.max(heat, axis=1)[:, None, None] > 0
    owner = _nearest(
        predictions[..., -2:],
        columns * there + _AWAY * (there - 1),
        rows * there + _AWAY * (there - 1),
    )
    owner = ops.where(ops.logical_and(label > 0, some), owner, -1)
    boxes, sums = _per_centre(owner, label, probabilities, heat.shape[1])
    classes = probabilities.shape[-1] - 1
    votes, given = sums[..., :classes], sums[..., classes:]
    area, winner = ops.sum(votes, axis=-1), _first_highest(votes, -1)
    given = ops.squeeze(ops.take_along_axis(given, winner[..., None], axis=-1), -1)
    score = heat * given / ops.maximum(area, 1.0)
    kept = ops.cast(area >= smallest, "float32")
    score, order = ops.top_k(score * kept, score.shape[1])
    ids = _renumbered(owner, order, score)
    rows = ops.concatenate([boxes, ops.cast(winner, "float32")[..., None] + 1], -1)
    found = ops.cast(score > 0, "float32")[..., None]
    rows = ops.take_along_axis(rows, order[..., None], axis=1) * found
    rows = rows - np.array([0, 0, 0, 0, 1], "float32")  # class -1 where there is nothing
    return ids, ops.concatenate([rows, ops.minimum(score, 1.0)[..., None]], -1)


def _centres(heat: Any, threshold: float, window: int, most: int) -> tuple[Any, Any, Any]:
    """Heat (0 for none), columns and rows of centres, each (batch, K), by falling heat."""
    ops = keras.ops
    height, width = heat.shape[1:3]
    highest = ops.max_pool(heat, window, strides=1, padding="same")
    peak = ops.logical_and(ops.equal(heat, highest), heat > threshold)
    flat = ops.reshape(ops.where(peak, heat, 0.0), (-1, height * width))
    best, place = ops.top_k(flat, min(4 * most, height * width))
    rows = ops.cast(ops.floor_divide(place, width), "float32")
    columns = ops.cast(ops.mod(place, width), "float32")
    # Equal heat side by side (an even stride's two middle pixels) is one centre: the first.
    apart = ops.maximum(*(ops.abs(x[:, :, None] - x[:, None]) for x in (rows, columns)))
    count = best.shape[1]
    earlier = np.tri(count, k=-1, dtype="float32")
    twice = ops.max(ops.cast(apart <= window // 2, "float32") * earlier, axis=-1)
    best, first = ops.top_k(best * (1.0 - twice), min(most, count))
    return best, *(ops.take_along_axis(x, first, axis=1) for x in (columns, rows))


def _nearest(ways: Any, columns: Any, rows: Any) -> Any:
    """int32 (batch, H, W): the number of the centre nearest to where each pixel points."""
    ops = keras.ops
    height, width = ways.shape[1:3]
    # In this order: on TensorFlow, Keras 3.15.1 takes a second (H, 1) for a bias of the last axis.
    x = ops.add(np.arange(width, dtype="float32"), ways[..., 0])[:, None]
    y = ops.add(np.arange(height, dtype="float32")[:, None], ways[..., 1])[:, None]
    least = owner = None
    for start in range(0, columns.shape[1], _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        if start:
            # Adds 0, but not before the last ten are done: all would lie in memory at once.
            wait = ops.minimum(least, 0.0)[:, None]
            x, y = x + wait, y + wait
        # Differences first: |p|² - 2 p·c + |c|² would lose the small ones in float32.
        squares = ops.square(x - columns[:, some, None, None])
        squares = squares + ops.square(y - rows[:, some, None, None])
        nearest = _first_highest(-squares, -3) + start
        squares = ops.min(squares, axis=1)
        if least is None:
            least, owner = squares, nearest
        else:
            owner = ops.where(squares < least, nearest, owner)
            least = ops.minimum(squares, least)
    return owner


def _first_highest(values: Any, axis: int) -> Any:
    """int32, where along an axis, counted from the last (-1), the largest value first stands.

    On TensorFlow ``keras.ops.argmax`` of floats reads their bits, which neither LiteRT nor ONNX
    can do.
    """
    ops = keras.ops
    numbers = np.arange(values.shape[axis], dtype="float32")
    numbers = numbers.reshape(-1, *[1] * (-1 - axis))
    is_highest = ops.equal(values, ops.max(values, axis=axis, keepdims=True))
    first = ops.min(ops.where(is_highest, numbers, float(values.shape[axis])), axis=axis)
    return ops.cast(first, "int32")


def _per_centre(owner: Any, label: Any, probabilities: Any, count: int) -> tuple[Any, Any]:
    """The hull of each centre's pixels, (batch, K, 4), and sums over them, (batch, K, 2C).

    Of each class but the background: how many pixels are of it, and their probabilities of it.
    """
    ops = keras.ops
    height, width, classes = probabilities.shape[1:]
    votes = ops.cast(ops.equal(label[..., None], np.arange(1, classes, dtype="int32")), "float32")
    values = ops.concatenate([votes, probabilities[..., 1:]], axis=-1)
    values = ops.reshape(values, (-1, height * width, 2 * (classes - 1)))
    boxes, sums = [], []
    for start in range(0, count, _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, count), dtype="int32")
        own = ops.cast(ops.equal(owner[:, None], numbers[:, None, None]), "float32")
        ends = [_ends(ops.max(own, axis=axis)) for axis in (2, 3)]
        boxes.append(ops.stack([end[side] for side in (0, 1) for end in ends], axis=-1))
        own = ops.reshape(own, (-1, len(numbers), height * width))
        sums.append(ops.matmul(own, values))
        done = ops.minimum(ops.min(sums[-1], axis=(1, 2), keepdims=True), 0.0)
        owner = owner + ops.cast(done, "int32")  # 0; see _nearest
    return ops.concatenate(boxes, axis=1), ops.concatenate(sums, axis=1)


def _ends(line: Any) -> tuple[Any, Any]:
    """Where the ones of 0 and 1 (batch, k, N) begin and end, the end exclusive."""
    ops = keras.ops
    length = line.shape[-1]
    numbers = np.arange(length, dtype="float32")
    first = length - ops.max(line * (length - numbers), axis=-1)
    return first, ops.max(line * (numbers + 1), axis=-1)


def _renumbered(owner: Any, order: Any, score: Any) -> Any:
    """Ids of things, best first, of the numbers of their centres; 0 for those without a score."""
    ops = keras.ops
    height, width = owner.shape[1:]
    count = order.shape[1]
    centre = np.arange(count, dtype="int32")
    place = ops.equal(ops.cast(order, "int32")[:, None], centre[:, None])  # [centre, place]
    place = ops.logical_and(place, score[:, None] > 0)
    number = ops.sum(ops.where(place, centre + 1, 0), axis=-1)
    number = ops.concatenate([ops.zeros_like(number[:, :1]), number], axis=1)
    flat = ops.reshape(owner + 1, (-1, height * width))
    ids = ops.take_along_axis(number, flat, axis=1)
    return ops.cast(ops.reshape(ids, (-1, height, width)), "int32")
