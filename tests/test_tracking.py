"""Trackers: they hold what stands in history.csv, once, and their failures cost nothing."""

import csv
import json
import struct

import keras
import numpy as np
import pytest
import tiny_backbone

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.training.tracking import MLflow, TensorBoard, WandB
from tl_keras.training.tracking.event_files import tag_of
from tl_keras.training.tracking.tracker import Guarded

RECIPE = [
    tl.Stage("head", epochs=3, learning_rate=5e-3),
    tl.Stage("all", epochs=2, unfreeze="all", augment="light"),
]
WORDS = ("epoch", "stage")


class Killed(BaseException):
    pass


class KilledAfter(keras.callbacks.Callback):
    """Dies after an epoch of the stages that train the backbone, as kill -9 would."""

    def on_epoch_end(self, epoch, logs=None):
        raise Killed


@pytest.fixture(scope="module")
def data(photos):
    return tl.data.from_folder(photos).split(0.3, seed=0)


@pytest.fixture
def fit(data):
    def fit(track, folder=None, callbacks=(), recipe=RECIPE):
        keras.utils.set_random_seed(0)
        model = tl.build_classifier(tiny_backbone.NAME, 2, image_size=32, weights=None)
        return tl.fit(
            model, *data, recipe=recipe, batch_size=8, verbose=False, track=track,
            resume=folder, callbacks=callbacks,
        )  # fmt: skip

    return fit


def events(folder):
    """Tag to (step, value) pairs; and the names of the plugins."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator(str(folder))
    accumulator.Reload()
    tags = accumulator.Tags()
    scalars = {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in tags["scalars"]
    }
    return scalars, accumulator.summary_metadata


def expected(rows):
    """The same of a history, in the precision of event files."""
    found = {}
    for row in rows:
        for name, value in row.items():
            if name not in WORDS and value != "":
                found.setdefault(tag_of(name), []).append((int(row["epoch"]), np.float32(value)))
    return found


class KilledWhileWriting(TensorBoard):
    """Dies when it has written the second epoch."""

    def epoch(self, row):
        super().epoch(row)
        if row["epoch"] == 2:
            raise Killed


def check_events(logs, run, artefact):
    """Compare event files with history.csv and the final figures."""
    scalars, plugins = events(logs)
    rows = list(csv.DictReader((artefact / "history.csv").open()))
    final = {tag: scalars.pop(tag) for tag in list(scalars) if tag.startswith("final/")}
    assert scalars == expected(rows)
    assert {"loss/train", "loss/val", "accuracy/val", "learning_rate"} <= set(scalars)
    for key, tag in (("value", "accuracy"), ("low", "accuracy.low"), ("high", "accuracy.high")):
        assert final[f"final/{tag}"] == [(0, np.float32(run.metrics["accuracy"][key]))]
    assert "_hparams_/session_start_info" in plugins
    return rows


def test_event_files_hold_the_history_once_though_it_was_killed(fit, tmp_path):
    logs, kept = tmp_path / "logs", tmp_path / "kept"
    with pytest.raises(Killed):
        fit(KilledWhileWriting(logs), kept, recipe=RECIPE[:1])
    before, _ = events(logs)
    assert [step for step, _ in before["loss/train"]] == [1, 2]
    run = fit(TensorBoard(logs), kept, recipe=RECIPE[:1])
    assert len(check_events(logs, run, run.save(tmp_path / "artefact"))) == 3


@pytest.mark.slow
def test_event_files_hold_all_stages_though_the_last_was_cut_short(fit, tmp_path):
    logs, kept = tmp_path / "logs", tmp_path / "kept"
    with pytest.raises(Killed):
        fit(TensorBoard(logs), kept, [KilledAfter()])
    run = fit(TensorBoard(logs), kept)
    rows = check_events(logs, run, run.save(tmp_path / "artefact"))
    assert [row["stage"] for row in rows] == ["head"] * 3 + ["all"] * 2


class Failing:
    """Fails in one of its methods, and counts how often it is called."""

    def __init__(self, where):
        self.where, self.calls = where, []

    def _called(self, name):
        self.calls.append(name)
        if name == self.where:
            raise OSError(28, "No space left on device")

    def start(self, settings, rows, folder):
        self._called("start")

    def epoch(self, row):
        self._called("epoch")

    def end(self, figures, interrupted):
        self._called("end")

    def saved(self, artefact):
        self._called("saved")


def test_a_tracker_that_fails_costs_no_training(fit, tmp_path, capsys):
    tracker = Failing("epoch")
    run = fit(tracker, recipe="ridge")
    run.save(tmp_path / "artefact")
    said = capsys.readouterr().err
    assert said.count("Failing is written no more (OSError: [Errno 28] No space left") == 1
    assert tracker.calls == ["start", "epoch"]
    assert len(run.history) == 1 and (tmp_path / "artefact" / "model.keras").exists()


@pytest.mark.parametrize("where", ["start", "end", "saved"])
def test_what_failed_is_asked_no_more(where, tmp_path, capsys):
    tracker = Failing(where)
    guarded = Guarded(tracker)
    for _ in range(2):
        guarded.start({}, [], None)
        guarded.end({}, False)
        guarded.saved(tmp_path)
    assert tracker.calls.count(where) == 1 and tracker.calls[-1] == where
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_ctrl_c_is_no_failure():
    class Interrupted(Failing):
        def epoch(self, row):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guarded(Interrupted("")).epoch({})


def test_train_writes_event_files_into_the_artefact(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    base = ["--backbone", tiny_backbone.NAME, "--weights", "none", "--image-size", "32"]
    command = ["train", str(photos), "--recipe", "ridge", "--output", "runs/one"]
    assert main([*command, *base, "--json"]) == 0
    history = list(csv.DictReader((tmp_path / "runs/one/history.csv").open()))
    scalars, _ = events(tmp_path / "runs/one/logs")
    assert [value for _, value in scalars["loss/val"]] == [
        np.float32(row["val_loss"]) for row in history
    ]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]
    assert json.loads(capsys.readouterr().out)["artefact"] == "runs/one"


def test_what_is_not_installed_is_said_before_anything_is_read(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["train", "nowhere/", "--track", "mlflow"]) == 2
    assert "pip install 'tl-keras[mlflow]'" in capsys.readouterr().err
    assert main(["train", "nowhere/"]) == 2
    said = capsys.readouterr().err
    assert "No event files for TensorBoard: tracking needs tensorboardX" in said
    assert "nowhere" in said


def test_mlflow_holds_the_history_once(fit, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Killed):
        fit(MLflow("mine"), tmp_path / "kept", [KilledAfter()])
    mlflow.end_run("FAILED")  # what the end of the process does
    run = fit(MLflow("mine"), tmp_path / "kept")
    run.save(tmp_path / "artefact")
    client = mlflow.MlflowClient(uri)
    (found,) = client.search_runs(["0"])
    assert found.info.run_name == "mine" and found.info.status == "FINISHED"
    assert found.data.params["stage_2.unfreeze"] == "all"
    losses = client.get_metric_history(found.info.run_id, "val_loss")
    assert [(m.step, m.value) for m in sorted(losses, key=lambda m: m.step)] == [
        (row["epoch"], pytest.approx(row["val_loss"], abs=1e-6)) for row in run.history
    ]
    assert found.data.metrics["final.accuracy"] == run.metrics["accuracy"]["value"]
    names = {file.path for file in client.list_artifacts(found.info.run_id, "artefact")}
    assert {"artefact/model.keras", "artefact/model.json"} <= names


def wandb_records(file):
    """Records of an offline run: chunks of blocks of 32 kB, as LevelDB writes its log."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts = file.read_bytes(), 7, []
    while at + 7 <= len(data):
        if at % 32768 > 32768 - 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


def test_wandb_offline_holds_the_history(fit, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = fit(WandB("mine"))
    run.save(tmp_path / "artefact")
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    losses, summary = [], {}
    for record in wandb_records(file):
        row, last = (
            {".".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}
            for items in (record.history.item, record.summary.update)
        )
        if "val_loss" in row:
            losses.append((row["epoch"], row["val_loss"]))
        summary |= last
    assert losses == [(row["epoch"], row["val_loss"]) for row in run.history]
    assert summary["final.accuracy"] == run.metrics["accuracy"]["value"]
