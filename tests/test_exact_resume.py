"""Killed runs end as if they had not been killed, bit for bit."""

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from tl_keras.callbacks import Checkpoint, ExactResume
from tl_keras.errors import InputError

SCRIPT = Path(__file__).with_name("exact_resume_run.py")


# The file.


def tree(number=0):
    return {
        "number": number,
        "plain": [1, 2.5, None, True, "text", float("-inf")],
        "arrays": {"f": np.arange(6, dtype="float32").reshape(2, 3), "s": np.array(3)},
    }


def numbers(folder):
    return sorted(int(path.stem[-8:]) for path in Path(folder).glob("checkpoint-*.npz"))


def test_a_tree_comes_back_as_it_was(tmp_path):
    import ml_dtypes

    checkpoint = Checkpoint(tmp_path / "new" / "folder")
    assert checkpoint.load() is None
    half = np.arange(3).astype(ml_dtypes.bfloat16)
    transposed = np.arange(6.0).reshape(2, 3).T
    assert checkpoint.save(
        {**tree(), "half": half, "t": transposed, "n": np.float32(0.1), "pair": (1, 2)}
    )
    state = checkpoint.load()
    assert state["plain"] == tree()["plain"] and state["pair"] == [1, 2]
    assert state["arrays"]["s"].shape == () and state["arrays"]["f"].dtype == "float32"
    assert state["half"].dtype == half.dtype and np.array_equal(state["half"], half)
    assert np.array_equal(state["t"], transposed)
    assert np.float32(state["n"]) == np.float32(0.1)
    with pytest.raises(TypeError, match="set"):
        checkpoint.save({"a": {1, 2}})
    with pytest.raises(TypeError):
        checkpoint.save({"a": np.array([object()])})


def test_the_last_two_are_kept_and_a_stale_temporary_is_cleaned(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    for number in range(4):
        checkpoint.save(tree(number))
    assert numbers(tmp_path) == [3, 4]
    stale = tmp_path / "checkpoint-00000009.npz.tmp"
    stale.write_bytes(b"torn")
    (tmp_path / "mine.txt").write_text("kept")
    again = Checkpoint(tmp_path)
    assert not stale.exists()
    assert again.load()["number"] == 3
    again.save(tree(4))
    assert numbers(tmp_path) == [4, 5]
    again.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: flip(data, 40),
        lambda data: flip(data, len(data) // 2),
        lambda data: flip(data, len(data) - 1),
        lambda data: bytes(len(data)),
    ],
    ids=["empty", "half", "short", "long", "head", "middle", "checksum", "zeros"],
)
def test_a_damaged_file_is_found_and_the_one_before_is_used(tmp_path, damage):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(tree(1))
    checkpoint.save(tree(2))
    newest = tmp_path / "checkpoint-00000002.npz"
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match="damaged"):
        assert Checkpoint(tmp_path).load()["number"] == 1
    checkpoint.save(tree(3))
    assert Checkpoint(tmp_path).load()["number"] == 3


def test_no_byte_may_change(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"a": np.arange(4)})
    path = tmp_path / "checkpoint-00000001.npz"
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(flip(data, at))
        with pytest.warns(UserWarning, match="damaged"):
            assert checkpoint.load() is None


def test_another_identity_is_refused(tmp_path):
    Checkpoint(tmp_path, {"seed": 0, "data": {"batch_size": 8}}).save(tree())
    assert Checkpoint(tmp_path, {"seed": 0, "data": {"batch_size": 8}}).load()
    with pytest.raises(InputError, match=r"batch_size: was 8, now 16\); delete"):
        Checkpoint(tmp_path, {"seed": 0, "data": {"batch_size": 16}}).load()
    with pytest.raises(InputError, match="epochs: was null, now 3"):
        Checkpoint(tmp_path, {"seed": 0, "data": {"batch_size": 8}}).load({"epochs": 3})


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_one_warning(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(tree(1))

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        with pytest.warns(UserWarning, match="No space left on device"):
            assert not checkpoint.save(tree(2))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not checkpoint.save(tree(3))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.npz"]
    assert checkpoint.load()["number"] == 1
    assert checkpoint.save(tree(4)) and checkpoint.load()["number"] == 4


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="cannot keep checkpoints"):
        Checkpoint(file)


def test_saving_takes_a_small_part_of_the_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now.__setitem__(0, now[0] + 1.0) or now[0])
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.due()
    checkpoint.save(tree())  # a second by this clock
    assert not checkpoint.due()
    now[0] += 20
    assert checkpoint.due()


# The callback, interrupted within this process.


class Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.now = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == self.at:
            raise KeyboardInterrupt


class Counter(keras.callbacks.Callback):
    """Sets the rate by a count of its own: wrong at once where the count is lost."""

    def __init__(self):
        super().__init__()
        self.count = np.zeros(1)

    def on_train_begin(self, logs=None):
        self.count[:] = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.01 / (1 + self.count[0])

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1

    def resume_state(self):
        return {"count": self.count}

    def load_resume_state(self, state):
        self.count = state["count"].copy()


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 6)).astype("float32"), RNG.integers(0, 2, 48)


def small_model(optimizer, units=5):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.GaussianNoise(0.3),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def adamw_averaged():
    return keras.optimizers.AdamW(1e-2, use_ema=True, ema_overwrite_frequency=5)


def trained(optimizer, callbacks=(), epochs=6, folder=None, first=False, stop=None, **model):
    """Values of all variables and the history; None for the values of an interrupted run."""
    model = small_model(optimizer, **model)
    callbacks = [*callbacks]
    if folder is not None:
        callbacks.insert(0 if first else len(callbacks), ExactResume(folder))
    if stop is not None:
        callbacks.append(Interrupt(*stop))
    try:
        history = model.fit(
            X, Y, batch_size=16, epochs=epochs, callbacks=callbacks, verbose=0,
            validation_data=(X[:16], Y[:16]),
        )  # fmt: skip
    except KeyboardInterrupt:
        return None
    variables = [*model.variables, *model.optimizer.variables]
    values = [variable.numpy() for variable in variables]
    return values, history.history, history.epoch


def assert_same(got, expected):
    assert got[1:] == expected[1:]
    assert len(got[0]) == len(expected[0])
    for one, other in zip(got[0], expected[0], strict=True):
        np.testing.assert_array_equal(one, other)


def none():
    return []


def counting():
    return [
        keras.callbacks.EarlyStopping("val_loss", patience=20, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5, min_delta=1.0),
        keras.callbacks.ReduceLROnPlateau("loss", patience=2, factor=0.7, min_delta=1.0),
    ]


def cosine_momentum():
    return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 20), momentum=0.9)


def scaled_accumulating():
    inner = keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2)
    return keras.optimizers.LossScaleOptimizer(inner, dynamic_growth_steps=4)


@pytest.mark.parametrize(
    ("optimizer", "callbacks", "first"),
    [
        (adamw_averaged, counting, True),
        (adamw_averaged, lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)], False),
        (cosine_momentum, none, True),
        (scaled_accumulating, lambda: [Counter()], True),
    ],
    ids=["counting", "swapped averages", "schedule", "own callback"],
)
def test_interrupted_twice_ends_the_same(tmp_path, optimizer, callbacks, first):
    expected = trained(optimizer, callbacks())
    assert trained(optimizer, callbacks(), folder=tmp_path, first=first, stop=(2, 1)) is None
    assert trained(optimizer, callbacks(), folder=tmp_path, first=first, stop=(4, 2)) is None
    assert_same(trained(optimizer, callbacks(), folder=tmp_path, first=first), expected)


def test_a_finished_run_is_not_trained_again_and_more_epochs_continue_it(tmp_path):
    expected = trained(adamw_averaged, counting(), epochs=3)
    assert_same(trained(adamw_averaged, counting(), epochs=3, folder=tmp_path), expected)
    files = numbers(tmp_path)
    assert_same(trained(adamw_averaged, counting(), epochs=3, folder=tmp_path), expected)
    assert numbers(tmp_path) == files
    longer = trained(adamw_averaged, counting(), epochs=5)
    assert_same(trained(adamw_averaged, counting(), epochs=5, folder=tmp_path), longer)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    def stopping():
        return [
            keras.callbacks.EarlyStopping(
                "val_loss", patience=2, min_delta=1.0, restore_best_weights=True
            )
        ]

    expected = trained(adamw_averaged, stopping())
    assert len(expected[2]) == 3
    assert trained(adamw_averaged, stopping(), folder=tmp_path, stop=(2, 0)) is None
    assert_same(trained(adamw_averaged, stopping(), folder=tmp_path), expected)
    assert_same(trained(adamw_averaged, stopping(), folder=tmp_path, epochs=9), expected)


def test_another_run_is_refused(tmp_path):
    trained(adamw_averaged, epochs=1, folder=tmp_path)
    with pytest.raises(InputError, match=r"model variable 1: was \"kernel\(6, 5\) float32\""):
        trained(adamw_averaged, epochs=2, folder=tmp_path, units=4)
    with pytest.raises(InputError, match='optimizer: was "AdamW", now "SGD"'):
        trained(cosine_momentum, epochs=2, folder=tmp_path)
    with pytest.raises(InputError, match="optimizer setting learning_rate"):
        trained(lambda: keras.optimizers.AdamW(1e-3), epochs=2, folder=tmp_path)
    with pytest.raises(InputError, match=r"callbacks: was \[\"History\"\]"):
        trained(adamw_averaged, counting(), epochs=2, folder=tmp_path)


def test_a_later_fit_begins_at_its_own_first_epoch(tmp_path):
    trained(adamw_averaged, epochs=4, folder=tmp_path, stop=(2, 1))
    model = small_model(adamw_averaged)
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[ExactResume(tmp_path)])
    assert model.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]


def test_training_goes_on_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="No space left"):
        got = trained(adamw_averaged, epochs=2, folder=tmp_path)
    assert_same(got, trained(adamw_averaged, epochs=2))


def test_what_cannot_be_ordered_by_epoch_is_refused(tmp_path):
    with pytest.raises(InputError, match="set_epoch"):
        ExactResume(tmp_path, datasets=[X])


# Killed with SIGKILL, in processes of their own.


def run(photos, result, *more, backend="tensorflow", wait=True):
    root = str(SCRIPT.parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(photos), str(result), *map(str, more)], env=environment
    )
    return process.wait() if wait else process


def same_files(result, expected):
    with np.load(result) as got, np.load(expected) as wanted:
        assert got.files == wanted.files
        return [name for name in got.files if not np.array_equal(got[name], wanted[name])] == []


@pytest.mark.slow
def test_kill_9_within_an_epoch_and_while_saving(photos, tmp_path):
    assert run(photos, tmp_path / "expected.npz") == 0
    folder, result = tmp_path / "checkpoints", tmp_path / "result.npz"
    killed = -signal.SIGKILL
    # After the first unfreezing, and then while the epoch after the second is saved.
    assert run(photos, result, "--folder", folder, "--die", 3, 1) == killed
    assert run(photos, result, "--folder", folder, "--die-saving", 3) == killed
    assert [path.suffix for path in folder.iterdir()].count(".tmp") == 1
    assert run(photos, result, "--folder", folder) == 0
    assert same_files(result, tmp_path / "expected.npz")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_kill_9_at_any_moment(photos, tmp_path, backend):
    pytest.importorskip(backend)
    assert run(photos, tmp_path / "expected.npz", backend=backend) == 0
    folder, result = tmp_path / "checkpoints", tmp_path / "result.npz"
    random = np.random.default_rng(0)
    kills = 0
    for _ in range(40):
        process = run(photos, result, "--folder", folder, backend=backend, wait=False)
        before = numbers(folder) if folder.exists() else []
        # From where a first epoch of this process is saved on, so that each gets somewhere.
        while process.poll() is None and (not folder.exists() or numbers(folder) == before):
            time.sleep(0.005)
        time.sleep(random.uniform(0, 1.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait() == 0:
            break
    assert kills >= 2
    assert same_files(result, tmp_path / "expected.npz")
