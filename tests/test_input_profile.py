"""The line that says what took the time: right for a slow input and for a slow model."""

import importlib.util
import time

import keras
import numpy as np
import pytest
from test_data_pipeline import of_backend, of_keras, run_python, write_folder

from tl_keras.callbacks import InputProfile
from tl_keras.data import from_folder
from tl_keras.data.profile import EpochProfile, WaitClock, wait_clock
from tl_keras.errors import InputError

both = pytest.mark.parametrize("build", [of_backend, of_keras])


class Slow(keras.callbacks.Callback):
    """A step that takes its time; the callback stands for the model."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self.times = []  # of the beginning and of each step's end

    def on_epoch_begin(self, epoch, logs=None):
        self.times = [time.time()]

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.seconds)
        self.times.append(time.time())

    def on_test_batch_end(self, batch, logs=None):
        time.sleep(0.05)


def slow_input(seconds):
    def wait(images):
        time.sleep(seconds)
        return images

    if keras.backend.backend() != "tensorflow":
        return wait
    import tensorflow as tf

    def in_graph(images):
        if not tf.is_tensor(images):
            return wait(images)
        return tf.ensure_shape(tf.numpy_function(wait, [images], tf.uint8), images.shape)

    return in_graph


@pytest.fixture
def examples(tmp_path):
    return from_folder(write_folder(tmp_path / "data", 16), progress=False)


def fitted(batches, seconds, epochs=1, **options):
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    profile, slow = InputProfile(batches), Slow(seconds)
    model.fit(batches, verbose=0, shuffle=False, **options)  # compiles
    callbacks = [slow, profile]
    model.fit(batches, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks, **options)
    return profile.profiles, slow.times


def assert_counted(profile, times):
    """From the second batch, which is asked for in the first step, to the end of the last step."""
    began, first, *_, last = times
    assert last - first - 0.05 <= profile.seconds <= last - began + 0.2


@both
def test_a_slow_input(examples, build, capsys):
    (profile,), times = fitted(build(examples, augment=slow_input(0.15)), 0.02)
    assert profile.bottleneck == "input" and profile.share > 0.5
    assert_counted(profile, times)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("input: ") and "% of the epoch was spent waiting for images" in line
    assert "cache='memory'" in line


@both
def test_a_slow_model(examples, build, capsys):
    batches = build(examples)
    (profile,), times = fitted(batches, 0.1, validation_data=build(examples))
    assert profile.bottleneck == "compute" and profile.share < 0.15
    assert_counted(profile, times)  # and no validation
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("compute: ") and "% of the epoch went into the model" in line


def test_said_again_only_when_the_verdict_changes(examples, capsys):
    delay = [0.1]
    batches = of_keras(examples, augment=lambda images: time.sleep(delay[0]) or images)
    profile = InputProfile(batches)
    for epoch, delay[0] in enumerate((0.05, 0.05, 0.0, 0.0)):
        profile.on_epoch_begin(epoch)
        for _ in batches:
            time.sleep(0.02)
        profile.on_epoch_end(epoch)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["input", "compute"]
    assert [p.bottleneck for p in profile.profiles] == ["input", "input", "compute", "compute"]


def test_a_cache_is_known(examples):
    batches = examples.dataset(4, 16, cache="memory")
    kept = []
    for _ in range(2):
        for _ in batches:
            pass
        kept.append(wait_clock(batches).epoch(time.time() + 1).cached)
    assert kept == ["filling", "yes"]
    assert "being filled" in EpochProfile(1.0, 0.9, "filling").line()
    assert "augmentation" in EpochProfile(1.0, 0.9, "yes").line()
    assert "cache=" in EpochProfile(1.0, 0.9, "no").line()


def test_short_epochs_say_nothing():
    clock = WaitClock()
    for number in range(4):
        clock.record(number, number, number + 0.5)
    assert clock.epoch(9.0) is None
    clock.record(4, 4.0, 4.5)
    assert clock.epoch(5.0) == EpochProfile(4.0, 2.0)


def test_another_dataset_is_refused():
    for other in (np.zeros(3), [1, 2]):
        with pytest.raises(InputError, match="before any"):
            InputProfile(other)


@pytest.mark.slow  # TensorFlow starts once more, with two devices
def test_under_mirrored_strategy(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    write_folder(tmp_path / "data", 16)
    code = """
import sys, time, keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tl_keras.callbacks import InputProfile
from tl_keras.data import from_folder
class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.1)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
batches = from_folder(sys.argv[1], progress=False).dataset(4, 16)
profile = InputProfile(batches)
model.fit(batches, epochs=1, verbose=0, callbacks=[Slow(), profile])
print(profile.profiles[0].bottleneck)
"""
    assert run_python(code, tmp_path / "data").split()[-1] == "compute"


def test_on_jax_without_tensorflow(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("needs JAX: python -m pip install jax")
    write_folder(tmp_path / "data", 16)
    code = """
import sys, time, keras
from tl_keras.callbacks import InputProfile
from tl_keras.data import from_folder
inputs = keras.Input((16, 16, 3))
model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
for delay in (0.1, 0.0):
    slow = lambda images: time.sleep(delay) or images
    batches = from_folder(sys.argv[1], progress=False).dataset(4, 16, augment=slow)
    profile = InputProfile(batches)
    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.03)
    model.fit(batches, verbose=0, shuffle=False, callbacks=[Slow(), profile])
    print(profile.profiles[0].bottleneck)
"""
    output = run_python(code, tmp_path / "data", KERAS_BACKEND="jax")
    assert output.split() == ["input", "compute"]
