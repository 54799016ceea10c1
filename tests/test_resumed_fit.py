"""``tl_keras.fit(resume=...)``: a run of several phases goes on in whichever it was cut short."""

import keras
import numpy as np
import pytest
from exact_resume_run import tiny_base

import tl_keras as tl
from tl_keras.backbones import registry
from tl_keras.errors import InputError
from tl_keras.training.stage_callbacks import StageClock

RECIPE = [
    tl.Stage("head", epochs=4, learning_rate=5e-3),
    tl.Stage("top", epochs=2, unfreeze=1, augment="light"),
    tl.Stage("all", epochs=2, unfreeze="all", augment="light"),
]
# 28 images in batches of 8 through the network, 32 through the head.
HEAD_STEPS, STEPS = 1, 4


class Killed(BaseException):
    pass


@pytest.fixture
def own_base(monkeypatch):
    monkeypatch.setattr(registry, "_RECORDS", dict(registry._RECORDS))
    tl.register_backbone(
        name="tiny_base", builder=tiny_base, image_size=32, minimum_size=16, preprocessing="tf"
    )


@pytest.fixture
def fit(own_base, photos, monkeypatch):
    train, val = tl.data.from_folder(photos).split(0.3, seed=0)
    step = StageClock.on_train_batch_begin

    def fit(folder=None, killed_at=None, recipe=RECIPE, seed=0):
        """Weights and history; the steps that were taken."""
        taken = []

        def counted(self, batch, logs=None):
            taken.append(batch)
            if len(taken) - 1 == killed_at:
                raise Killed
            step(self, batch, logs)

        monkeypatch.setattr(StageClock, "on_train_batch_begin", counted)
        keras.utils.set_random_seed(0)
        model = tl.build_classifier("tiny_base", 2, weights=None, dropout=0.3)
        run = tl.fit(
            model, train, val, recipe=recipe, batch_size=8, seed=seed, verbose=False, resume=folder
        )
        timeless = [
            {name: value for name, value in row.items() if name not in ("seconds", "elapsed")}
            for row in run.history
        ]
        return [v.numpy() for v in model.variables], timeless, run.best["epoch"], len(taken)

    return fit


def test_cut_short_in_each_phase_it_ends_the_same(fit, tmp_path):
    weights, history, best, steps = fit()
    assert steps == 4 * HEAD_STEPS + 4 * STEPS
    # In the third epoch of the head, in the second of "top", in the first of "all".
    for killed_at in (2 * HEAD_STEPS, 2 * HEAD_STEPS + STEPS + 1, STEPS + 2):
        with pytest.raises(Killed):
            fit(tmp_path, killed_at)
    got, got_history, got_best, taken = fit(tmp_path)
    assert taken < steps
    assert got_history == history and got_best == best
    for one, other in zip(got, weights, strict=True):
        np.testing.assert_array_equal(one, other)

    again, again_history, _, taken = fit(tmp_path)
    assert taken == 0 and again_history == history
    for one, other in zip(again, weights, strict=True):
        np.testing.assert_array_equal(one, other)

    with pytest.raises(InputError, match="seed: was 0, now 1"):
        fit(tmp_path, seed=1)
    with pytest.raises(InputError, match="recipe stages"):
        fit(tmp_path, recipe=RECIPE[:1])
