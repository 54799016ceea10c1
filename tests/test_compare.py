"""compare: every base with every recipe in a fresh process on one split, resumed, side by side."""

import csv
import functools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

import tl_keras as tl
from tl_keras.cli.compare import _NOT_THESE
from tl_keras.cli.main import main, parser
from tl_keras.data.examples import Examples
from tl_keras.errors import InputError
from tl_keras.evaluation.holm import holm
from tl_keras.selection.apart import cost_of, run_apart
from tl_keras.selection.candidates import wanted
from tl_keras.selection.compared_rows import _judged
from tl_keras.selection.compared_runs import RunFolder, combinations, why_it_failed
from tl_keras.selection.comparing import _alone
from tl_keras.selection.comparison import COSTS, Compared, Comparison
from tl_keras.selection.comparison_plot import free_places
from tl_keras.selection.latency import in_proportion, in_turns
from tl_keras.selection.paired import sign_flip

BASE = "mobilenet_v3_small+bundled@64"
QUICK = '[[stages]]\nname = "head"\nepochs = 3\nviews = 1\n'


def row(name="a+ridge", value=0.9, **costs):
    given = {"milliseconds": 10.0, "megabytes": 5.0, "training_seconds": 20.0, **costs}
    return Compared(
        name=name, backbone="a", weights="imagenet", image_size=64, recipe="ridge", value=value,
        low=value - 0.1, high=value + 0.05, values=(value,), sd=None, even=None, p_value=None,
        slower=1.0, parameters=1000, peak_megabytes=None, starts=1, tested=None,
        runs=(f"out/runs/{name}",), **given,
    )  # fmt: skip


def comparison(*rows, **more):
    return Comparison(
        tuple(rows), "accuracy", "classify", 80, 20, (0,), ("0f",), "out", "predict {model} IMAGE",
        **more,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_the_front_of_each_cost_is_what_no_other_beats(seed):
    rng = np.random.default_rng(seed)
    made = comparison(*(
        row(str(k), rng.integers(4) / 4, **{cost: float(rng.integers(1, 5)) for cost in COSTS})
        for k in range(12)
    ))  # fmt: skip
    for cost in COSTS:
        on = [(r.value, getattr(r, cost)) for r in made.front(cost)]
        every = {(r.value, getattr(r, cost)) for r in made.rows}
        beaten = {
            (v, c) for v, c in every
            if any((w >= v and d <= c) and (w, d) != (v, c) for w, d in every)
        }  # fmt: skip
        assert sorted(on) == sorted(every - beaten)
        assert all((cost in made.fronts_of(r)) == (r in made.front(cost)) for r in made.rows)


@pytest.mark.parametrize(("more", "less"), [(5, 0), (9, 3), (30, 12), (2_000, 1_880)])
def test_one_answer_an_image_is_mcnemars_exact_test(more, less):
    p = sign_flip(np.array([1] * more + [-1] * less + [0] * 7))
    assert p == pytest.approx(binomtest(more, more + less).pvalue, rel=0.02)


def test_several_answers_an_image_flip_together():
    differences = np.array([3, -1, 2, 2])
    sums = [abs(np.dot(signs, np.abs(differences))) for signs in product((1, -1), repeat=4)]
    assert sign_flip(differences) == np.mean([s >= abs(differences.sum()) for s in sums])
    assert sign_flip(np.zeros(3, int)) == 1.0
    many = np.array([3, -1, 2, 2] * 600 + [1] * 60)  # past what is added up exactly
    rng = np.random.default_rng(0)
    flips = np.abs(rng.choice([-1, 1], (4_000, len(many))) @ np.abs(many))
    assert sign_flip(np.abs(many) * np.resize([1, 1, -1, -1], len(many))) == pytest.approx(
        np.mean(flips >= abs(np.sum(np.abs(many) * np.resize([1, 1, -1, -1], len(many))))), abs=0.03
    )
    assert holm([0.2]) == [0.2] and holm([0.02, 0.5, 0.01]) == pytest.approx([0.04, 0.5, 0.03])


def test_even_with_the_best_counts_an_image_once_whatever_the_seeds():
    def val(digests):
        n = len(digests)
        return Examples(tuple(digests), np.zeros(n, int), ("x",), tuple(digests), (None,) * n)

    # The third is worse on six images: with one seed p is 0.03 before correction for two rows.
    best, even, worse = np.ones(12, int), np.ones(12, int), np.ones(12, int)
    even[:2], worse[:10] = 0, 0
    rows = [row(name) for name in ("best", "even", "worse")]
    images = [f"{k:02}" for k in range(12)]
    rights = {"best": [best], "even": [even], "worse": [worse]}
    judged = _judged(rows, rights, [val(images)])
    assert [r.even for r in judged] == [None, True, False]
    assert judged[1].p_value == 0.5 and judged[2].p_value == pytest.approx(2 * 2 / 2**10)
    # The same answers to the same images by another seed are no news of other images.
    again = _judged(rows, {name: [r[0], r[0]] for name, r in rights.items()}, [val(images)] * 2)
    assert [r.p_value for r in again] == [r.p_value for r in judged]
    # Other images are.
    others = _judged(
        rows, {name: [r[0], r[0]] for name, r in rights.items()},
        [val(images), val([f"x{name}" for name in images])],
    )  # fmt: skip
    assert others[1].p_value == 2 / 2**4 and others[2].p_value < judged[2].p_value


@pytest.mark.parametrize("seed", range(3))
def test_no_label_of_the_picture_covers_another_or_a_dot(seed):
    rng = np.random.default_rng(seed)
    dots = np.round(rng.uniform(0, 120, (25, 2)) / 20) * 20  # many of them in the same place
    texts = free_places(dots)
    for k, text in enumerate(texts):
        apart = np.abs(np.delete(texts, k, 0) - text)
        assert ((apart[:, 0] >= 15) | (apart[:, 1] >= 11)).all()
        apart = np.abs(dots - text)
        assert ((apart[:, 0] >= 14) | (apart[:, 1] >= 12)).all()


def test_latency_is_told_by_how_much_slower_than_the_first():
    """The machine was twice as slow while the second was timed, and that is no fault of it."""
    found = in_proportion({"a": (0.010, 0.010), "b": (0.020, 0.060), "c": (0.012, 0.006)})
    assert found == pytest.approx({"a": 0.012, "b": 0.036, "c": 0.006})
    calls = []
    first, other = in_turns(
        lambda: calls.append("first"), lambda: (calls.append("other"), time.sleep(0.005))
    )
    assert other > 0.005 > first
    assert calls == ["first", "other"] * (len(calls) // 2) and len(calls) == 2 * 28


def test_limits_choose_the_best_within_and_say_what_there_is():
    slow, quick = row("slow", 0.9, milliseconds=40.0), row("quick", 0.8, milliseconds=8.0)
    made = comparison(slow, quick)
    assert made.within() is slow and made.within(10) is quick and made.within(None, 5) is slow
    with pytest.raises(InputError, match=r"least of those compared are 8 ms, 5 MB"):
        made.within(2, 1)


def test_names_are_read_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    found = combinations([BASE, "resnet50@160"], ["ridge", "fine_tune", "ridge"])
    assert [one.name for one in found] == [
        f"{BASE}+ridge", f"{BASE}+fine_tune", "resnet50@160+ridge", "resnet50@160+fine_tune",
    ]  # fmt: skip
    assert [base.name for base in wanted(["resnet50", "resnet50"])] == ["resnet50@224"]
    (tmp_path / "ridge.toml").write_text(QUICK)
    for bases, recipes, said in (
        (["resnet51"], ["ridge"], "resnet51"),
        (["resnet50+bundled"], ["ridge"], "none of its weights ship"),
        (["resnet50@8"], ["ridge"], "8"),
        ([BASE], ["rigde"], "rigde"),
        ([BASE], ["ridge", str(tmp_path / "ridge.toml")], "same name"),
        (BASE, ["ridge"], "one word"),
        ([BASE], [], "nothing to compare"),
    ):
        with pytest.raises(InputError, match=said):
            combinations(bases, recipes)


def test_why_a_run_failed_is_one_line():
    log = "epoch 1\r epoch 2\ntl-keras: no weights there; give others\n"
    assert why_it_failed(2, log, "a.log") == "no weights there; give others"
    trace = "Traceback ...\nResourceExhaustedError: OOM when allocating\n"
    assert why_it_failed(1, trace, "a.log") == (
        "ResourceExhaustedError: OOM when allocating; see a.log"
    )
    assert "memory" in why_it_failed(-9, "", "a.log")


@pytest.fixture(scope="module")
def compared(photos, tmp_path_factory):
    """(comparison of two recipes that were really trained, its folder, the recipes, examples)."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "quick.toml").write_text(QUICK)
    recipes = ["ridge", str(folder / "quick.toml")]
    examples = tl.data.from_folder(photos, progress=False)
    made = tl.compare(
        examples, [BASE], recipes, output=folder / "out", verbose=False, command="tl-keras compare"
    )
    return made, folder / "out", recipes, examples


def test_both_were_trained_on_the_same_split_and_nothing_is_made_up(compared):
    made, folder, _, examples = compared
    assert {r.name for r in made.rows} == {f"{BASE}+ridge", f"{BASE}+quick"} and not made.failed
    said = {r.name: json.loads((Path(r.runs[0]) / "model.json").read_text()) for r in made.rows}
    assert {s["split"]["fingerprint"] for s in said.values()} == set(made.splits)
    train, val = examples.split(0.2, seed=0)
    assert {s["split"]["val"]["fingerprint"] for s in said.values()} == {val.fingerprint()}
    assert (made.train, made.val) == (len(train), len(val))
    assert made.rows[0].value >= made.rows[1].value and made.best is made.rows[0]
    for r in made.rows:
        figure = said[r.name]["metrics"]["accuracy"]
        assert (r.value, r.low, r.high) == tuple(figure.values())
        assert r.parameters == said[r.name]["parameters"]
        size = (Path(r.runs[0]) / "model.keras").stat().st_size
        assert r.megabytes == pytest.approx(size / 1e6, abs=0.01)
        assert r.starts == 1 and r.sd is None and r.values == (r.value,)
        right = np.load(folder / "answers" / f"{r.name}.npy")
        assert right.mean() == r.value
        if sys.platform == "linux":
            assert 200 < r.peak_megabytes < 8_000
    # The same network: timed once.
    assert made.rows[0].milliseconds == made.rows[1].milliseconds > 0
    assert made.rows[1].even is True and made.best.even is None  # 8 images tell nothing apart


def test_features_are_shared_and_their_time_is_counted_for_both(compared):
    made, _, _, _ = compared
    said = {r.recipe: json.loads((Path(r.runs[0]) / "model.json").read_text()) for r in made.rows}
    first, second = said["ridge"]["features"], said["quick"]["features"]
    assert set(second["found"]) & set(first["computed"])
    cost = {r.recipe: r.training_seconds for r in made.rows}
    lent = sum(first["computed"][key] for key in second["found"])
    assert lent > 0
    assert cost["quick"] == pytest.approx(said["quick"]["seconds"] + lent, abs=0.1)
    assert cost["ridge"] == pytest.approx(said["ridge"]["seconds"], abs=0.1)


def test_the_folder_holds_table_json_picture_and_a_page_with_links(compared):
    made, folder, _, _ = compared
    told = json.loads((folder / "compare.json").read_text())
    assert told["best"] == made.best.name and len(told["rows"]) == 2
    with (folder / "compare.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == [r.name for r in made.rows]
    assert float(lines[0]["value"]) == made.best.value
    assert (folder / "compare.png").read_bytes()[1:4] == b"PNG"
    page = (folder / "compare.html").read_text()
    for r in made.rows:
        link = f"runs/{r.name}/report.html"
        assert f'href="{link}"' in page and (folder / link).is_file()
    assert "<script" not in page and page.count("data:image/png") == 2
    assert not (folder / "features").exists()


def test_called_again_nothing_is_trained_anew(compared, photos, capsys):
    made, folder, recipes, _ = compared
    before = {p: p.stat().st_mtime_ns for p in folder.glob("runs/*/model.json")}
    words = ["compare", str(photos), "--backbones", BASE, "--recipes", ",".join(recipes)]
    assert main([*words, "--output", str(folder), "--max-megabytes", "50", "--json"]) == 0
    assert {p: p.stat().st_mtime_ns for p in folder.glob("runs/*/model.json")} == before
    out, said = capsys.readouterr()
    told = json.loads(out)
    assert told["chosen"] == told["best"] == made.best.name
    assert [r["value"] for r in told["rows"]] == [r.value for r in made.rows]
    assert f"Next: tl-keras predict {made.best.runs[0]} IMAGE" in said
    assert f"1  {made.best.name}" in said and "95 % interval" in said


def test_another_seed_is_trained_and_not_taken_for_the_first(photos, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(RunFolder, "train", lambda _, *job: asked.append(job) or "not here")
    examples = tl.data.from_folder(photos, progress=False)
    for seed in (0, 5):
        with pytest.raises(InputError, match=r"none could be trained.*not here"):
            tl.compare(examples, [BASE], ["ridge"], output=tmp_path, seed=seed, verbose=False)
    assert [name for name, _ in asked] == [f"{BASE}+ridge", f"{BASE}+ridge+seed5"]
    assert [words[words.index("--seed") + 1] for _, words in asked] == ["0", "5"]


def test_other_data_or_options_are_refused_with_the_remedy(compared, tmp_path):
    _, folder, recipes, examples = compared
    less = examples.subset(range(2, len(examples)))
    for data, more, said in (
        (less, {}, "other data"),
        (examples, {"options": ["--batch-size", "4"]}, "other options"),
        (examples, {"val_fraction": 0.4}, "other splits 0"),
    ):
        with pytest.raises(InputError, match=rf"{said}.*; give another --output"):
            tl.compare(data, [BASE], recipes, output=folder, verbose=False, **more)
    recipe = Path(recipes[1])
    (tmp_path / recipe.name).write_text(QUICK.replace("3", "4"))
    with pytest.raises(InputError, match="other recipes quick"):
        tl.compare(examples, [BASE], [str(tmp_path / recipe.name)], output=folder, verbose=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        tl.compare(examples, [BASE], ["ridge"], output=tmp_path / "mine", verbose=False)
    with pytest.raises(InputError, match="cannot write"):
        tl.compare(examples, [BASE], ["ridge"], output=recipe / "x", verbose=False)
    if sys.platform != "win32":
        with _alone(folder), pytest.raises(InputError, match="another process"):
            tl.compare(examples, [BASE], recipes, output=folder, verbose=False)


def test_where_none_can_be_trained_the_reason_is_said(photos, tmp_path):
    examples = tl.data.from_folder(photos, progress=False)
    # The command looks at options of train; here the process refuses them at once.
    with pytest.raises(InputError, match=r"none could be trained; .*: unrecognized arguments"):
        tl.compare(
            examples, [BASE], ["ridge"], output=tmp_path / "x", options=["--nonsense", "1"],
            verbose=False,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train-options", "--nonsense 1"], "unrecognized arguments"),
        (["--train-options", "--seed 3"], "--seed, which is not for it"),
        (["--train-options", "more/ --batch-size 4"], "more/, which is not for it"),
        (["--train-options", "--augment 'x"], "cannot be read"),
        (["--val-fraction", "2"], "between 0 and 1"),
        (["--seeds", "0"], "seeds=0"),
        (["--tags", "a"], "--task tag"),
    ],
)
def test_what_is_wrong_with_the_request_is_said_at_once(words, said, photos, tmp_path, capsys):
    given = ["compare", str(photos), "--backbones", BASE, "--recipes", "ridge"]
    try:
        code = main([*given, "--output", str(tmp_path / "x"), *words])
    except SystemExit as end:
        code = end.code
    assert code == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_models_that_are_timed_in_turns_are_no_matter_for_a_warning(capsys):
    """TensorFlow's "out of the last 62 calls triggered retracing"."""
    logging.getLogger("tensorflow").setLevel("WARNING")
    assert main(["compare", "nowhere/", "--backbones", BASE, "--recipes", "ridge"]) == 2
    assert logging.getLogger("tensorflow").level == logging.ERROR
    assert "nowhere" in capsys.readouterr().err


def test_what_compare_says_itself_is_no_option_for_train():
    """Every option that both have; and each of those refused is one that train has."""
    train = vars(parser("train").parse_args(["train"]))
    given = ["compare", "photos/", "--backbones", BASE, "--recipes", "ridge"]
    both = set(vars(parser("compare").parse_args(given))) & set(train) - {"command", "data"}
    assert both <= set(_NOT_THESE) <= set(train)


def _alive(marker):
    """Processes whose command line holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(marker.encode() in word for word in words) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("victim", ["parent", "child", "interrupt"])
def test_killed_in_the_second_run_it_goes_on_there(victim, photos, tmp_path):
    (tmp_path / "long.toml").write_text(
        '[[stages]]\nname = "all"\nepochs = 20\npatience = 20\nunfreeze = "all"\n'
    )
    command = [
        sys.executable, "-m", "tl_keras.cli.main", "compare", str(photos), "--backbones", BASE,
        "--recipes", "ridge", str(tmp_path / "long.toml"), "--output", str(tmp_path / "out"),
    ]  # fmt: skip
    # Where the tests run in the background the signal is ignored, and a child would inherit that.
    heeded = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeded)
    second = tmp_path / "out" / "runs" / f"{BASE}+long.unfinished"
    deadline = time.monotonic() + 900
    while not list(second.rglob("checkpoint-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(second.rglob("checkpoint-*.npz"))
    (child,) = set(_alive(str(second.with_suffix("")))) - {process.pid}
    known = (tmp_path / "out" / "runs" / f"{BASE}+ridge" / "model.json").stat().st_mtime_ns
    if victim == "child":
        os.kill(child, signal.SIGKILL)
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0 and "killed by signal 9" in errors
    else:
        process.send_signal(signal.SIGKILL if victim == "parent" else signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if victim == "interrupt":
            assert process.returncode == 2 and "the same command goes on" in errors
        deadline = time.monotonic() + 10
        while _alive(str(second.with_suffix(""))) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _alive(str(second.with_suffix("")))  # no orphan goes on writing
    assert list(second.rglob("checkpoint-*.npz"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{BASE}+long: training" in done.stderr and "+ridge: training" not in done.stderr
    log = (tmp_path / "out" / "logs" / f"{BASE}+long.log").read_text()
    assert log.count("$ tl-keras train") == 2 and "Going on with the unfinished run" in log
    ridge = tmp_path / "out" / "runs" / f"{BASE}+ridge" / "model.json"
    assert ridge.stat().st_mtime_ns == known
    told = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert {r["name"]: r["starts"] for r in told["rows"]} == {
        f"{BASE}+ridge": 1, f"{BASE}+long": 2,
    }  # fmt: skip


@pytest.mark.slow
def test_what_fails_is_named_and_stops_nothing(photos, tmp_path):
    (tmp_path / "odd.toml").write_text('loss = "arcface"\n' + QUICK)
    examples = tl.data.from_folder(photos, progress=False)
    made = tl.compare(
        examples, [BASE], [str(tmp_path / "odd.toml"), "ridge"], output=tmp_path / "out",
        seeds=2, verbose=False,
    )  # fmt: skip
    assert [r.name for r in made.rows] == [f"{BASE}+ridge"]
    assert "arcface" in made.failed[f"{BASE}+odd"]
    assert "Not trained" in (tmp_path / "out" / "compare.html").read_text()
    (only,) = made.rows
    assert len(only.values) == 2 and only.value == pytest.approx(np.mean(only.values))
    assert only.sd == pytest.approx(np.std(only.values, ddof=1))
    assert len(set(made.splits)) == 2 and [Path(r).name for r in only.runs] == [
        f"{BASE}+ridge", f"{BASE}+ridge+seed1",
    ]  # fmt: skip


@pytest.mark.slow
def test_other_tasks_compare_by_the_figure_they_show_first(tmp_path):
    from tl_keras.data.sample_examples import sample_examples

    examples = sample_examples(background=True)
    made = tl.compare(
        examples, [BASE], ["auto"], output=tmp_path / "out", task="segment", verbose=False,
        options=["--batch-size", "4"],
    )  # fmt: skip
    assert made.figure == "mean IoU" and 0 <= made.best.value <= 1
    assert made.best.even is None and "vs best" not in made.table()


def test_a_process_apart_ends_with_the_call_that_started_it(tmp_path):
    code = run_apart(["no-such-command"], tmp_path / "a.log", tmp_path / "a.json")
    assert code == 2 and "invalid choice" in (tmp_path / "a.log").read_text()
    cost = cost_of(tmp_path / "a.json")
    assert cost["starts"] == 1 and cost["seconds"] > 0
