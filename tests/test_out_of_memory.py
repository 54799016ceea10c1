"""Running out of memory, for real: parts of a batch end where the whole batch would have."""

import json
from pathlib import Path

import keras
import numpy as np
import placed_training
import pytest
from processes import finish, start

import tl_keras as tl
from tl_keras.data.pipeline import set_epoch
from tl_keras.errors import InputError
from tl_keras.optimizers.layer_rates import layer_wise
from tl_keras.training.out_of_memory import (
    accumulate_gradients,
    fit_within_memory,
    is_out_of_memory,
)
from tl_keras.training.placement import choose_placement
from tl_keras.training.replica_batches import replica_batches, steps_in

PROGRAM = Path(__file__).with_name("memory_program.py")
FITS, FITS_NOT = 204_800, 1_638_400  # copies; see there


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    placed_training.draw(folder)
    return tl.data.from_folder(folder, progress=False)


def _trained(examples, parts, rule, fails_at=None):
    """Weights after three epochs, the base joining at the second; batches of 8 of 27 images."""
    keras.utils.set_random_seed(1)
    model = placed_training.build()
    base = tl.backbones.registry.find_backbone(model)
    optimizer = layer_wise(rule(), [(base.variables, 0.5)])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    said, given = [], []

    def batches(asked):
        given.append(
            replica_batches(
                examples, choose_placement("cpu"), batch_size=8, image_size=16, shuffle=True,
                seed=3, training=True, accumulate=max(asked, parts),
            )
        )  # fmt: skip
        return given[-1]

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            set_epoch(given[-1], epoch)

        def on_train_batch_end(self, batch, logs=None):
            if fails_at == (len(given), int(self.model.optimizer._iterations)):
                np.ones(2**58)  # more than any machine has

    staged = tl.callbacks.StagedUnfreezing({0: 0, 1: "all"})
    if parts > 1:
        from tl_keras.callbacks.staged_unfreezing import every_trainable_variable

        optimizer.build(every_trainable_variable(model))
        accumulate_gradients(optimizer, parts)
    history = fit_within_memory(
        model, batches, batch_size=8, log=said.append, epochs=3, verbose=0, shuffle=False,
        callbacks=[staged, Epochs()],
    )  # fmt: skip
    assert history.epoch == [0, 1, 2] and len(history.history["loss"]) == 3
    return [v.numpy() for v in model.variables], said, steps_in(given[-1])


@pytest.mark.parametrize(
    "rule",
    [
        lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        lambda: keras.optimizers.AdamW(1e-2, global_clipnorm=1.0),
        lambda: keras.optimizers.Adam(1e-2, use_ema=True),
    ],
    ids=["sgd", "adamw", "ema"],
)
def test_parts_of_a_batch_end_where_the_whole_batch_does(examples, rule):
    whole, _, steps = _trained(examples, 1, rule)
    halves, _, twice = _trained(examples, 2, rule)
    assert (steps, twice) == (4, 8)
    # Adam enlarges rounding where gradients vanish; averages lag by part of the last step.
    tolerance = 1e-5 if "SGD" in str(rule()) else 1e-3
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("step", [2, 6], ids=["first epoch", "second epoch"])
def test_the_failed_epoch_begins_again_from_what_it_began_with(examples, step):
    """Weights, optimizer, history and the stage go back; the end is that of a run with room."""

    def rule():
        return keras.optimizers.SGD(0.05, momentum=0.9)

    whole, said, _ = _trained(examples, 1, rule)
    assert said == []
    parted, said, steps = _trained(examples, 1, rule, fails_at=(1, step))
    assert len(said) == 1 and "2 parts of 4" in said[0] and steps == 8
    assert f"epoch {1 if step == 2 else 2} begins again" in said[0]
    for one, other in zip(whole, parted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_no_smaller_than_one_image(examples):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="head")
    model.compile("sgd", "sparse_categorical_crossentropy")

    def batches(parts):
        return np.ones(2**58)

    with pytest.raises(InputError, match="smaller backbone"):
        fit_within_memory(model, batches, batch_size=1, log=print)


def test_other_errors_are_not_taken_for_lack_of_memory():
    import tensorflow as tf

    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "OOM"))
    assert is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"))
    wrapped = ValueError("in fit")
    wrapped.__cause__ = MemoryError()
    assert is_out_of_memory(wrapped)
    for other in (ValueError("the word is out of memory"), tf.errors.InternalError(None, None, "")):
        assert not is_out_of_memory(other)


def test_steps_are_counted_in_the_new_unit():
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build([variable])
    for _ in range(3):
        optimizer.apply([np.ones(2, "float32")], [variable])
    for parts in (2, 8):
        accumulate_gradients(optimizer, parts)
        assert int(optimizer.iterations) == 3 and int(optimizer._iterations) == 3 * parts
        assert len(optimizer._accumulated_gradients) == 1
    assert len(optimizer.variables) == len({id(v) for v in optimizer.variables})


@pytest.mark.slow
def test_memory_that_really_runs_out(tmp_path):
    """Under a limit of address space TensorFlow fails to allocate a step; the run goes on."""
    placed_training.draw(tmp_path)
    # Arenas of malloc reserve address space that is never used.
    said = finish([start(PROGRAM, tmp_path, FITS, MALLOC_ARENA_MAX="1")])[0]
    result = json.loads(said.strip().splitlines()[-1])
    assert result["none_said"] == [] and result["said"]
    assert all("out of memory" in line for line in result["said"])
    assert result["epochs"] == [0, 1, 2] and result["difference"] < 1e-4


@pytest.mark.slow
def test_an_image_that_really_does_not_fit(tmp_path):
    placed_training.draw(tmp_path)
    said = finish([start(PROGRAM, tmp_path, FITS_NOT, MALLOC_ARENA_MAX="1")])[0]
    assert "single 16 px image" in json.loads(said.strip().splitlines()[-1])["refused"]
