"""How long a recipe would take on this machine, from a few steps that are really taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np

from tl_keras.builders.classifier import head_model
from tl_keras.callbacks.staged_unfreezing import apply_unfreeze
from tl_keras.training.inputs import batches_of
from tl_keras.training.optimizing import optimizer_for, rates_for
from tl_keras.training.recipes import Recipe, Stage

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

BATCH = 32
"""Images in a step, as ``fit`` takes them by default."""

# A step that trains all layers, in forward passes, where taking one would take too long itself:
# between 2.8 and 6.4 were measured, see tl_keras.training.choosing.training_minutes.
_RECORDED = 4.0
_LONGEST_TRIAL = 20.0  # s
# CPU seconds of what `tl-keras train` does once (imports, building, tracing, report, saving):
# measured with the base that ships, on hymenoptera; larger ones take a little longer.
_AROUND = 18.0
_READ = 64  # images
_HEAD_ROWS, _HEAD_EPOCHS = 2_000, 3


@dataclass(frozen=True)
class Pace:
    """What was timed of a base here, in seconds.

    Attributes:
        crowding: Not seconds, but those that passed for one of this process's own CPU time while
            it built the model: 1 on a machine with nothing else to do.
        forward: A forward pass of one image, in batches.
        reading: Reading one image and bringing it to size, in batches, on all cores.
        head_epoch: An epoch of the head on features, with its validation.
        step: Training one image with all layers, in batches.
        tracing: What the first step took longer than others; 0 where ``step`` is no measurement.
        measured: Whether ``step`` was measured; else it is four forward passes, as recorded.
    """

    crowding: float
    forward: float
    reading: float
    head_epoch: float
    step: float
    tracing: float
    measured: bool


@dataclass(frozen=True)
class TrainingTime:
    """Seconds that a recipe would take.

    Attributes:
        features: Of the frozen base's features, training and validation images.
        head: Of the epochs on features.
        base: Of the epochs that train the base, validation and tracing among them.
        rest: Starting, measuring, writing the report and the model.
        how: How it was found, a few words.
    """

    features: float
    head: float
    base: float
    rest: float
    how: str

    @property
    def seconds(self) -> float:
        """All together."""
        return self.features + self.head + self.base + self.rest


def measure_pace(
    model: keras.Model,
    crowding: float,
    forward: float,
    parts: "tuple[Examples, Examples]",
    resize: str,
    recipe: Recipe,
) -> Pace:
    """Time reading, epochs of the head and, if the recipe trains the base, two steps of all layers.

    The weights of the model are not the same afterwards.

    Args:
        model: Of ``build_classifier``.
        crowding: As of :class:`Pace`.
        forward: Seconds of a forward pass of one image, in batches.
        parts: Training and validation images.
        resize: How images are brought to size.
        recipe: To be timed.

    Example:
        >>> recipe = tl.training.recipes.RECIPES["fine_tune"]
        >>> measure_pace(model, 1.0, 0.03, (train, val), "crop", recipe).step  # doctest: +SKIP
        0.11
    """
    size = model.input_shape[1]
    some = parts[0].subset(range(min(_READ, len(parts[0]))))
    batches = batches_of(some, batch_size=BATCH, image_size=size, resize=resize)
    reading = _seconds(lambda: [images for images, _ in batches]) / len(some)
    head = _head_epoch(model, recipe, *map(len, parts))
    trains = any(not stage.frozen for stage in recipe.stages)
    if not trains or 3 * BATCH * _RECORDED * forward > _LONGEST_TRIAL:
        return Pace(crowding, forward, reading, head, _RECORDED * forward, 0.0, False)
    apply_unfreeze(model, "all")
    model.compile(
        optimizer_for(recipe, model, rates_for(recipe, model)), "sparse_categorical_crossentropy"
    )
    images = np.zeros((BATCH, size, size, 3), "uint8")
    labels = np.arange(BATCH) % model.output_shape[-1]
    first, *steps = (_seconds(lambda: model.train_on_batch(images, labels)) for _ in range(3))
    step = min(steps)
    return Pace(crowding, forward, reading, head, step / BATCH, max(0.0, first - step), True)


def training_time(recipe: Recipe, pace: Pace, images: int, held_out: int) -> TrainingTime:
    """What the stages of a recipe come to.

    A stage may stop early, so the middle between the fewest epochs that its patience allows and
    all of them is taken.

    Args:
        recipe: To be run.
        pace: Timed here.
        images: To train on.
        held_out: To validate on.

    Example:
        >>> pace = Pace(1.0, 0.01, 0.001, 0.002, 0.04, 5.0, True)
        >>> recipe = tl.training.recipes.RECIPES["fine_tune"]
        >>> round(training_time(recipe, pace, 200, 50).base)
        84
    """
    frozen = [stage for stage in recipe.stages if stage.frozen]
    trained = [stage for stage in recipe.stages if not stage.frozen]
    features = (images + held_out) * (pace.forward + pace.reading) if frozen else 0.0
    head = sum(_epochs(stage) * pace.head_epoch for stage in frozen if stage.solver is None)
    base = sum(
        _epochs(stage)
        * (
            images * (pace.reading + pace.forward + _share(stage) * (pace.step - pace.forward))
            + held_out * (pace.reading + pace.forward)
        )
        for stage in trained
    )
    base += pace.tracing * len({_share(stage) for stage in trained})
    how = "from steps of training timed here"
    if not pace.measured:
        how = f"from forward passes timed here; a step of training is taken for {_RECORDED:g}"
    if not trained:
        how = "from forward passes and epochs of the head timed here"
    # Measured on the validation images, once more with Grad-CAM on the worst of them.
    rest = _AROUND * max(1.0, pace.crowding) + held_out * (pace.reading + pace.forward)
    return TrainingTime(features, head, base, rest, how)


def _epochs(stage: Stage) -> float:
    return (min(stage.epochs, stage.patience + 1) + stage.epochs) / 2


def _share(stage: Stage) -> float:
    """Of the base that trains."""
    return stage.unfreeze if isinstance(stage.unfreeze, float) else 1.0


def _head_epoch(model: keras.Model, recipe: Recipe, images: int, held_out: int) -> float:
    """Seconds of an epoch of ``fit`` on so many features."""
    apply_unfreeze(model, 0)
    head = head_model(model)
    head.compile(
        optimizer_for(recipe, head), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    rows = min(images, _HEAD_ROWS)
    x, y = np.zeros((rows, head.input_shape[-1]), "float32"), np.zeros(rows, "int64")
    val = (x[:held_out], y[:held_out]) if held_out else None

    def epochs(count: int) -> None:
        head.fit(x, y, BATCH, count, validation_data=val, shuffle=False, verbose=0)

    epochs(1)
    return _seconds(lambda: epochs(_HEAD_EPOCHS)) / _HEAD_EPOCHS * images / rows


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
