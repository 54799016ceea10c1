"""Metrics by hand and by scikit-learn, intervals by simulation, the report by parsing it."""

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tl_keras.errors import InputError
from tl_keras.evaluation import (
    evaluate_classification,
    plot_confusion_matrix,
    plot_learning_curves,
    wilson_interval,
    write_history_csv,
    write_report,
)
from tl_keras.evaluation.intervals import bootstrap_mean, f1_interval, f1_scores, macro_figures
from tl_keras.evaluation.report_blocks import gallery, skipped_list
from tl_keras.tasks import get_task

NAMES = ["ant", "bee", "cat"]


def _random_case(seed: int, images: int = 300, classes: int = 7):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images)
    scores = rng.normal(size=(images, classes))
    scores[np.arange(images), labels] += 1.5
    probabilities = np.exp(scores)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def _one_hot(predicted, classes=3):
    return np.eye(classes)[np.asarray(predicted)] * 0.97 + 0.01


def _all_figures(metrics):
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "majority_baseline", "log_loss"):
        yield metrics[key]
    if "top5_accuracy" in metrics:
        yield metrics["top5_accuracy"]
    for entry in metrics["per_class"]:
        yield from (entry[key] for key in ("precision", "recall", "f1"))


def test_hand_computed():
    # true:      a a a a b b c      predicted: a a a b b c c
    metrics = evaluate_classification([0, 0, 0, 0, 1, 1, 2], _one_hot([0, 0, 0, 1, 1, 2, 2]), NAMES)
    assert metrics["confusion_matrix"] == [[3, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert metrics["accuracy"]["value"] == pytest.approx(5 / 7)
    assert metrics["balanced_accuracy"]["value"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    f1 = [6 / 7, 1 / 2, 2 / 3]
    assert [entry["f1"]["value"] for entry in metrics["per_class"]] == pytest.approx(f1)
    assert metrics["macro_f1"]["value"] == pytest.approx(np.mean(f1))
    precision = [1.0, 1 / 2, 1 / 2]
    assert [e["precision"]["value"] for e in metrics["per_class"]] == pytest.approx(precision)
    assert metrics["majority_baseline"]["value"] == pytest.approx(4 / 7)
    assert metrics["log_loss"]["value"] == pytest.approx(-(5 * np.log(0.98) + 2 * np.log(0.01)) / 7)
    assert [entry["count"] for entry in metrics["per_class"]] == [4, 2, 1]
    assert "top5_accuracy" not in metrics and metrics["notes"] == []


@pytest.mark.parametrize("classes", [2, 3, 7, 40])
def test_agrees_with_scikit_learn(classes):
    reference = pytest.importorskip("sklearn.metrics")
    labels, probabilities = _random_case(classes, images=400, classes=classes)
    metrics = evaluate_classification(labels, probabilities, [str(k) for k in range(classes)])
    predicted = probabilities.argmax(axis=1)
    assert np.array_equal(
        metrics["confusion_matrix"],
        reference.confusion_matrix(labels, predicted, labels=range(classes)),
    )
    expected = {
        "accuracy": reference.accuracy_score(labels, predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted),
        "macro_f1": reference.f1_score(labels, predicted, average="macro"),
        "log_loss": reference.log_loss(labels, probabilities, labels=range(classes)),
    }
    if classes > 5:
        expected["top5_accuracy"] = reference.top_k_accuracy_score(
            labels, probabilities, k=5, labels=range(classes)
        )
    for key, value in expected.items():
        assert metrics[key]["value"] == pytest.approx(value), key
    columns = reference.precision_recall_fscore_support(labels, predicted, zero_division=np.nan)
    for key, column in zip(("precision", "recall", "f1"), columns[:3], strict=True):
        assert [e[key]["value"] for e in metrics["per_class"]] == pytest.approx(list(column)), key


def test_every_figure_lies_in_its_interval_and_all_is_json():
    for seed in range(5):
        labels, probabilities = _random_case(seed)
        metrics = evaluate_classification(labels, probabilities, list("abcdefg"))
        assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
        for entry in _all_figures(metrics):
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["low"] < entry["high"]


def test_same_figures_every_time():
    labels, probabilities = _random_case(3)
    first = evaluate_classification(labels, probabilities, list("abcdefg"))
    assert first == evaluate_classification(labels, probabilities, list("abcdefg"))
    other = evaluate_classification(labels, probabilities, list("abcdefg"), seed=1)
    assert first["macro_f1"]["value"] == other["macro_f1"]["value"]
    assert first["macro_f1"]["low"] != other["macro_f1"]["low"]


def test_top5_follows_argmax_on_ties():
    flat = np.full((6, 6), 1 / 6)
    metrics = evaluate_classification(np.arange(6), flat, list("abcdef"))
    assert metrics["accuracy"]["value"] == pytest.approx(1 / 6)
    assert metrics["top5_accuracy"]["value"] == pytest.approx(5 / 6)


def test_class_without_examples_is_null_and_said_so():
    metrics = evaluate_classification([0, 0, 1], _one_hot([0, 2, 1]), NAMES)
    absent = metrics["per_class"][2]
    assert absent["count"] == 0
    assert absent["recall"] == {"value": None, "low": None, "high": None}
    assert absent["precision"]["value"] == 0.0
    assert metrics["balanced_accuracy"]["value"] == pytest.approx((1 / 2 + 1) / 2)
    assert metrics["macro_f1"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert "cat" in metrics["notes"][0]


def test_class_never_predicted_has_no_precision():
    metrics = evaluate_classification([0, 1, 2], _one_hot([0, 1, 1]), NAMES)
    silent = metrics["per_class"][2]
    assert silent["precision"]["value"] is None
    assert silent["recall"]["value"] == 0.0 and silent["f1"]["value"] == 0.0
    assert metrics["notes"] == ["Never predicted, so without precision: cat."]


def test_perfect_and_hopeless_intervals_do_not_collapse():
    labels = np.repeat([0, 1, 2], 10)
    perfect = evaluate_classification(labels, _one_hot(labels), NAMES)
    hopeless = evaluate_classification(labels, _one_hot((labels + 1) % 3), NAMES)
    for key in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert perfect[key]["value"] == perfect[key]["high"] == 1.0
        assert 0.75 < perfect[key]["low"] < 0.95
        assert hopeless[key]["value"] == hopeless[key]["low"] == 0.0
        assert 0.05 < hopeless[key]["high"] < 0.25
    names = [str(k) for k in range(1000)]
    alone = evaluate_classification([0], np.eye(1000)[[1]], names)
    assert alone["balanced_accuracy"]["value"] == 0.0


@pytest.mark.parametrize(
    ("labels", "probabilities", "names", "message"),
    [
        ([0, 3], _one_hot([0, 1]), NAMES, "labels run from 0 to 3; expected 0..2"),
        ([-1, 0], _one_hot([0, 1]), NAMES, "labels run from -1 to 0"),
        ([0.0, 1.0], _one_hot([0, 1]), NAMES, "labels are float64; expected integers"),
        ([0, 1], [[0.5, np.nan, 0.5], [1, 0, 0]], NAMES, "1 of 2 rows .* NaN or infinity"),
        ([0, 1], [[4.0, -2.0, 1.0], [1, 0, 0]], NAMES, "apply softmax first"),
        ([0, 1], _one_hot([0, 1]), NAMES[:2], r"expected \(N,\) and \(N, 2\)"),
        ([0], _one_hot([0, 1]), NAMES, "do not fit 3 class names"),
        (np.zeros(0, int), np.zeros((0, 3)), NAMES, "no examples to evaluate"),
        ([0], [[1.0]], ["ant"], "needs at least 2"),
    ],
)
def test_bad_input_is_one_line(labels, probabilities, names, message):
    with pytest.raises(InputError, match=message) as caught:
        evaluate_classification(labels, probabilities, names)
    assert "\n" not in str(caught.value)


def test_wilson_against_published_values():
    # Newcombe (1998), table I: 81/263, 15/148, 0/20, 1/29 by the score method.
    low, high = wilson_interval([81, 15, 0, 1], [263, 148, 20, 29])
    assert low.round(4).tolist() == [0.2553, 0.0624, 0.0, 0.0061]
    assert high.round(4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718]
    assert np.isnan(wilson_interval(0, 0)).all()


def _cover(limits, truth):
    return limits[0] <= truth <= limits[1]


def test_coverage_by_simulation():
    """95 % intervals hold the truth 95 % of the time, for uneven and near-perfect classifiers."""
    rng = np.random.default_rng(0)
    rounds = 300
    worst = 1.0
    for counts, recalls in [
        ([25] * 8, [0.95] * 8),
        ([20, 20], [0.9, 0.9]),
        ([200, 50, 10], [0.97, 0.8, 0.6]),
    ]:
        counts, recalls = np.array(counts), np.array(recalls)
        classes = len(counts)
        chances = np.repeat(((1 - recalls) / (classes - 1))[:, None], classes, axis=1)
        np.fill_diagonal(chances, recalls)
        true_f1 = f1_scores(chances * counts[:, None]).mean()
        held = np.zeros(4)
        for k in range(rounds):
            table = np.stack([rng.multinomial(n, p) for n, p in zip(counts, chances, strict=True)])
            balanced, f1 = macro_figures(table, seed=k)
            hits = table.diagonal()
            misses = table.sum(axis=0) + table.sum(axis=1) - 2 * hits
            truth = f1_scores(chances * counts[:, None])[0]
            held += [
                _cover((balanced["low"], balanced["high"]), recalls.mean()),
                _cover((f1["low"], f1["high"]), true_f1),
                _cover(wilson_interval(hits.sum(), counts.sum()), recalls @ counts / counts.sum()),
                _cover([limit[0] for limit in f1_interval(hits, misses)], truth),
            ]
        worst = min(worst, held.min() / rounds)
        # Not by being wide for nothing: a simple normal interval is about as wide.
        spread = 2 * 1.96 * np.sqrt((recalls * (1 - recalls) / counts).sum()) / classes
        assert balanced["high"] - balanced["low"] < 2 * spread
    assert worst >= 0.90


def test_bootstrap_of_the_mean_is_about_its_standard_error():
    values = np.random.default_rng(0).exponential(size=500)
    result = bootstrap_mean(values)
    half = 1.96 * values.std() / np.sqrt(500)
    assert result["value"] == pytest.approx(values.mean())
    assert result["high"] - result["low"] == pytest.approx(2 * half, rel=0.1)


HISTORY = [
    {
        "epoch": k + 1,
        "stage": "head" if k < 3 else "all",
        "loss": 1 / (k + 1),
        "accuracy": 1 - 0.5 / (k + 1),
        "val_loss": 1.1 / (k + 1),
        "val_accuracy": None if k == 1 else 0.9 - 0.5 / (k + 1),
        "learning_rate": 1e-3 if k < 3 else 1e-4,
        "seconds": 1.5,
    }
    for k in range(6)
]


def test_history_csv_round_trip(tmp_path):
    rows = [*HISTORY, {"epoch": 7, "stage": 'odd, "stage"', "f1": 0.123456789012345678}]
    path = write_history_csv(rows, tmp_path / "history.csv")
    read = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert list(read[0]) == [*HISTORY[0], "f1"]
    assert [float(row["loss"]) for row in read[:6]] == [row["loss"] for row in HISTORY]
    assert read[1]["val_accuracy"] == "" and read[6]["loss"] == ""
    assert read[6]["stage"] == 'odd, "stage"' and float(read[6]["f1"]) == 0.123456789012345678


@pytest.mark.parametrize("classes", [2, 25, 120])
def test_confusion_picture(tmp_path, classes):
    rng = np.random.default_rng(0)
    metrics = {
        "class_names": [f"class $_{k} 日本" for k in range(classes)],
        "confusion_matrix": rng.integers(5, size=(classes, classes)).tolist(),
    }
    picture = Image.open(plot_confusion_matrix(metrics, tmp_path / "confusion.png"))
    assert picture.format == "PNG" and 300 < min(picture.size) <= max(picture.size) < 1600


def test_confusion_picture_is_dark_on_the_diagonal_of_a_good_model(tmp_path):
    metrics = {"class_names": ["a", "b"], "confusion_matrix": [[9, 0], [0, 9]]}
    swapped = {"class_names": ["a", "b"], "confusion_matrix": [[0, 9], [9, 0]]}
    good = Image.open(plot_confusion_matrix(metrics, tmp_path / "good.png")).convert("L")
    bad = Image.open(plot_confusion_matrix(swapped, tmp_path / "bad.png")).convert("L")
    change = np.asarray(good, dtype=int) - np.asarray(bad, dtype=int)
    darker, lighter = np.argwhere(change < -50), np.argwhere(change > 50)
    # rows down, columns right: the darker cells lie along the main diagonal, the others across
    assert np.corrcoef(darker.T)[0, 1] > 0.3 and np.corrcoef(lighter.T)[0, 1] < -0.3


@pytest.mark.parametrize(
    "history", [HISTORY, HISTORY[:1], [{"loss": 1.0}], [{"loss": float("nan"), "stage": 0}]]
)
def test_learning_curves_picture(tmp_path, history):
    picture = Image.open(plot_learning_curves(history, tmp_path / "curves.png"))
    assert picture.format == "PNG" and picture.size == (946, 550)


def test_learning_curves_need_an_epoch(tmp_path):
    with pytest.raises(InputError, match="train for at least one epoch"):
        plot_learning_curves([], tmp_path / "curves.png")


class _Page(HTMLParser):
    """Checks nesting, collects tags, attributes and text."""

    void = frozenset({"meta", "img", "source", "br", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "srcset", "href")]
        assert not any(key.startswith("on") for key, _ in attrs)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def _shown(metrics, other) -> dict:
    task = get_task("classify")
    return {
        "headline": task.headline(metrics),
        "compared": {
            "This model": metrics["accuracy"],
            other: {"value": 0.3, "low": 0.25, "high": 0.35},
            "Chance": 0.33,
        },
        "sections": task.report(metrics),
    }


def _report(tmp_path, **changes) -> tuple[_Page, str]:
    labels, probabilities = _random_case(1, classes=3)
    nasty = "<script>alert('x')</script> & \"q\""
    arguments = {
        "title": f"Insects {nasty}",
        "model_info": {"Backbone": "mobilenet_v2_035", nasty: nasty, "Counts": {nasty: 3}},
        "measured": "9 images",
        **_shown(evaluate_classification(labels, probabilities, ["ant", nasty, "日本"]), nasty),
        "history": HISTORY,
        "data": skipped_list([(f"{nasty}.jpg", nasty), ("stray\udcff.jpg", "no image")]),
        "cost": gallery([(np.full((200, 100, 3), 200, np.uint8), nasty)]),
        "reproduce": {"command": f"tl-keras train '{nasty}'", "seed": 20261120},
    } | changes
    html = write_report(tmp_path / "report.html", **arguments).read_text(encoding="utf-8")
    page = _Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page, html


def test_report_is_well_formed_escaped_and_self_contained(tmp_path):
    page, html = _report(tmp_path)
    assert html.startswith("<!DOCTYPE html>") and "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
    assert f"script-src 'sha256-{digest}'" in html and page.tags.count("script") == 1
    pictures = [link for link in page.links if not link.startswith("#")]
    assert len(pictures) == 3 and all(link.startswith("data:image/") for link in pictures)
    for link in pictures:
        Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))).load()
    text = " ".join(page.text)
    assert "alert('x')" in text and "日本" in text and "20261120" in text
    assert page.tags.count("h2") == 8 == page.tags.count("details") == page.tags.count("section")


def test_report_shows_the_measured_figures(tmp_path):
    metrics = evaluate_classification([0, 0, 0, 1], _one_hot([0, 0, 1, 1]), NAMES)
    page, _ = _report(tmp_path, **_shown(metrics, "b"), history=[], cost="", data=skipped_list([]))
    text = " ".join(page.text)
    assert "75.0 %" in text and "30.1 to 95.4" in text  # Wilson of 3/4
    assert "No example of cat" in text and "not measurable" in text
    assert "Learning curves" not in text and "None: every file was read" in text
    assert "Measured on 9 images" in text and "Log loss" in text


def test_importing_evaluation_draws_in_nothing_heavy():
    code = (
        "import sys, tl_keras.evaluation as e; e.evaluate_classification; e.write_report\n"
        "print([m for m in ('matplotlib', 'PIL', 'keras', 'tensorflow', 'scipy') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
