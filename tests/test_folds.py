"""Cross-validation: figures over folds, fresh processes, the ensemble, and the whole command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from processes import ROOT, environment
from scipy import stats

import tl_keras as tl
from tl_keras.backbones import registry
from tl_keras.cli.main import main
from tl_keras.data import from_folder
from tl_keras.data.splitting import check_seed, split_fingerprint
from tl_keras.errors import InputError
from tl_keras.evaluation.fold_figures import fold_figure, fold_figures, t_quantile
from tl_keras.training.ensembles import ensemble_of
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.folds import in_fresh_process

STAGES = '[[stages]]\nname = "head"\nepochs = 3\nlearning_rate = 1e-2\n'
FAST = ["--backbone", "mobilenet_025", "--image-size", "64", "--weights", "none"]


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 14, 49])
def test_the_limits_of_student_are_those_of_scipy(freedom):
    for inside in (0.5, 0.95, 0.99):
        expected = stats.t.ppf((1 + inside) / 2, freedom)
        assert t_quantile(freedom, inside) == pytest.approx(expected, rel=1e-9)


def test_the_interval_is_that_of_nadeau_and_bengio():
    values = [0.80, 0.84, 0.90, 0.78, 0.85]
    figure = fold_figure(values, 1 / 4)
    assert figure["value"] == pytest.approx(np.mean(values))
    assert figure["sd"] == pytest.approx(np.std(values, ddof=1))
    half = stats.t.ppf(0.975, 4) * np.std(values, ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert figure["high"] - figure["value"] == pytest.approx(half)
    # Without shared images it is the plain t-interval.
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    plain = fold_figure(values, 0.0)
    assert (plain["low"], plain["high"]) == pytest.approx((low, high))


def test_what_all_folds_measured_is_summarised_and_shares_stay_shares():
    folds = [
        {"accuracy": {"value": v}, "log_loss": {"value": 3 * v}, "f1": {"value": f}, "examples": 3}
        for v, f in ((0.9, None), (1.0, 1.0), (1.0, 1.0))
    ]
    found = fold_figures(folds, 0.5)
    assert list(found) == ["accuracy", "log_loss"]
    assert found["accuracy"]["high"] == 1.0 and found["log_loss"]["high"] > 3
    assert found["accuracy"]["values"] == [0.9, 1.0, 1.0]


def _base(input_shape):
    image = keras.Input(input_shape)
    maps = keras.layers.Conv2D(8, 3, 2, name="stem")(image)
    return keras.Model(image, keras.layers.BatchNormalization(name="norm")(maps))


def _models(build, outputs, count=3, **options):
    keras.utils.set_random_seed(1)
    return [build("tiny", outputs, weights=None, **options) for _ in range(count)]


@pytest.fixture(params=["tf"])
def tiny(request, monkeypatch):
    """A small backbone of one's own, prepared for in a given way."""
    monkeypatch.setattr(registry, "_RECORDS", dict(registry._RECORDS))
    tl.register_backbone(
        name="tiny", builder=_base, image_size=32, minimum_size=8, preprocessing=request.param
    )
    return request.param


@pytest.mark.parametrize("tiny", ["tf", "caffe", "none"], indirect=True)
@pytest.mark.parametrize("build", [tl.build_classifier, tl.builders.build_tagger])
def test_an_ensemble_averages_probabilities(tiny, build, tmp_path):
    models = _models(build, 3)
    # Far from even, so that a mean of logits would be another.
    for model, bias in zip(models, ([20.0, -20, -20], [3.0, 1, -2], [-1.0, 2, 0]), strict=True):
        model.get_layer("predictions").bias.assign(bias)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")
    expected = np.mean([np.asarray(model(images)) for model in models], axis=0)
    ensemble = ensemble_of(models)
    np.testing.assert_allclose(np.asarray(ensemble(images)), expected, atol=1e-5)
    shared = [layer for layer in ensemble.layers if layer.name == "preprocessing"]
    assert len(shared) == (tiny != "none")
    ensemble.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(images)), expected, atol=1e-5)


def test_models_that_make_no_ensemble(tiny):
    two, three = (_models(tl.build_classifier, outputs, 1)[0] for outputs in (2, 3))
    (logits,) = _models(tl.build_classifier, 2, 1, logits=True)
    for models, said in (
        ([two], "two models or more"), ([two, three], "alike"), ([logits, logits], "logits=False"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            ensemble_of(models)


def test_folds_take_their_features_from_the_whole(photos, tmp_path, monkeypatch):
    examples = from_folder(photos, progress=False)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier("mobilenet_025", 2, image_size=32, weights=None)
    seen = []
    read = type(examples).dataset
    monkeypatch.setattr(
        type(examples),
        "dataset",
        lambda self, *a, **k: seen.append(len(self)) or read(self, *a, **k),
    )
    shared = {"image_size": 32, "runtime": "keras", "verbose": False}
    for _, val in examples.folds(2):
        # A cache of its own for each, as in a process of its own; the folder is the same.
        cache = FeatureCache(tmp_path, whole=examples)
        rows = FeatureExtraction(model, cache=cache, **shared).run(val)
        alone = FeatureExtraction(model, **shared).run(val.subset(range(len(val))))
        np.testing.assert_allclose(rows.views[0], alone.views[0], atol=1e-5)
        np.testing.assert_array_equal(rows.labels, val.labels)
    assert seen.count(len(examples)) == 1
    # Augmentation goes by the place in the table, which a part does not share with the whole.
    cache = FeatureCache(tmp_path, whole=examples)
    run = FeatureExtraction(model, cache=cache, **shared).run(val, augment="light", views=2)
    assert run.computed == 2


def test_a_fresh_process_is_another_one_and_says_what_went_wrong():
    # Functions of modules that import no framework: the process begins with what they need.
    assert in_fresh_process(os.getpid) != os.getpid()
    with pytest.raises(InputError, match="seed -1"):
        in_fresh_process(check_seed, -1)
    with pytest.raises(RuntimeError, match="exit code 7"):
        in_fresh_process(os._exit, 7)


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_a_fresh_process_ends_with_its_parent(tmp_path):
    (tmp_path / "waiting.py").write_text(
        "import pathlib, sys, time, os\n"
        "from tl_keras.training.folds import in_fresh_process\n"
        "def wait(path):\n"
        "    pathlib.Path(path).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    in_fresh_process(wait, sys.argv[1])\n"
    )
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, tmp_path / "waiting.py", note], env=environment())
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(note.read_text())
    parent.kill()
    parent.wait()
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended waits to be seen to by a parent that is gone.
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.mark.slow
def test_the_command_trains_folds_and_keeps_the_ensemble(photos, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("r.toml").write_text(STAGES)
    for file in photos.glob("*/*.png"):
        part = "test" if int(file.stem) % 4 == 3 else "train"
        target = tmp_path / "data" / part / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    command = ["train", "data", *FAST, "--recipe", "r.toml", "--folds", "2", "--ensemble"]
    assert main([*command, "--output", "cv", "--seed", "3", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    examples = from_folder("data", progress=False)
    folds, test = examples.folds(2, seed=3), examples.part("test")
    kept = json.loads(Path("cv/folds.json").read_text())
    assert kept["metrics"] == said["metrics"] and said["artefact"] == "cv"
    assert [run["split"] for run in kept["runs"]] == [
        split_fingerprint(*fold, test) for fold in folds
    ]
    members = [tl.load(f"cv/fold-{number}") for number in (1, 2)]
    measured = [
        one.evaluate(val)["accuracy"]["value"] for one, (_, val) in zip(members, folds, strict=True)
    ]
    assert kept["metrics"]["accuracy"]["values"] == pytest.approx(measured)
    tested = [one.evaluate(test)["accuracy"]["value"] for one in members]
    assert kept["test_metrics"]["accuracy"]["values"] == pytest.approx(tested)
    page = Path("cv/report.html").read_text()
    assert "fold-2/report.html" in page and "Nadeau and Bengio" in page
    assert "the ensemble" in page
    assert not list(tmp_path.glob("*.unfinished"))
    # The ensemble: in an ordinary artefact, and without this package.
    ensemble, paths = tl.load("cv"), examples.paths[::5]
    mean = np.mean([one.raw(paths) for one in members], axis=0)
    np.testing.assert_allclose(ensemble.probabilities(paths), mean, atol=1e-5)
    assert kept["ensemble"]["test_metrics"] == ensemble.description["test_metrics"]
    assert kept["ensemble"]["test_metrics"] == ensemble.evaluate(test)
    assert ensemble.description["metrics"] == {} and len(ensemble.description["members"]) == 2
    images = np.stack([tl.data.load_image(path, 64) for path in paths])
    np.savez("seen.npz", images=images, expected=mean)
    alone = (
        "import sys, numpy as np, keras\n"
        "seen = np.load('seen.npz')\n"
        "model = keras.saving.load_model('cv/model.keras')\n"
        "found = model.predict(seen['images'], verbose=0)\n"
        "np.testing.assert_allclose(found, seen['expected'], atol=1e-5)\n"
        "assert 'tl_keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-I", "-c", alone], check=True, timeout=200)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--folds", "1"], "--folds is 2 or more"),
        (["--folds", "2", "--repeats", "0"], "--repeats is 1 or more"),
        (["--ensemble"], "go with --folds"),
        (["--repeats", "2"], "go with --folds"),
        (["--folds", "2", "--workers", "2", "--engine", "ray"], "leave --workers out"),
        (["--folds", "30"], "20 distinct images"),
        (["--folds", "2", "--split-by", "group"], "no groups"),
        (["--folds", "2", "--batch-size", "0"], "--batch-size"),
    ],
)
def test_folds_that_cannot_be_asked_for(photos, tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(photos), *FAST, *options]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir()) or [p.name for p in tmp_path.iterdir()] == ["saved_models"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_folds_that_were_killed_end_as_if_they_were_not(photos, tmp_path):
    (tmp_path / "r.toml").write_text(
        STAGES + '[[stages]]\nname = "all"\nepochs = 6\nunfreeze = "all"\naugment = "light"\n'
    )
    command = [sys.executable, "-m", "tl_keras.cli.main", "train", str(photos), *FAST,
               "--recipe", "r.toml", "--folds", "3", "--batch-size", "8"]  # fmt: skip

    def start(output):
        return subprocess.Popen(
            [*command, "--output", output], cwd=tmp_path, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def stop_when(pattern, how):
        """Begin, and stop the command once such a file is there."""
        process = start("stopped")
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob(f"stopped.unfinished/{pattern}")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        how(process)
        _, said = process.communicate(timeout=300)
        return process.returncode, said

    start("whole").communicate(timeout=600)
    stop_when("checkpoint-fold-2/checkpoint-*2.npz", subprocess.Popen.kill)
    kept = (tmp_path / "stopped.unfinished/result/fold-1/model.keras").stat().st_mtime_ns
    stop_when("result/fold-2/model.json", subprocess.Popen.kill)
    # Ctrl-C in a terminal reaches every process of the group.
    code, said = stop_when(
        "checkpoint-fold-3/checkpoint-*2.npz", lambda process: os.killpg(process.pid, signal.SIGINT)
    )
    assert code == 2 and "interrupted in fold 3; the same command goes on" in said
    assert not (tmp_path / "stopped.unfinished/result/fold-3").exists()
    printed, _ = start("stopped").communicate(timeout=600)
    assert "Going on with the unfinished run" in printed and "Fold 2 of 3 is there" in printed
    assert (tmp_path / "stopped/fold-1/model.keras").stat().st_mtime_ns == kept
    figures = [
        json.loads((tmp_path / name / "folds.json").read_text())["metrics"]
        for name in ("whole", "stopped")
    ]
    assert figures[0] == figures[1]
    for number in (1, 2, 3):
        models = [
            keras.saving.load_model(tmp_path / name / f"fold-{number}" / "model.keras")
            for name in ("whole", "stopped")
        ]
        for one, other in zip(*(model.weights for model in models), strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
