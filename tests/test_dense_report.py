"""Sections of the report about boxes, pixels and things, and tables for the terminal."""

import base64
import html
import re

import numpy as np
import pytest

from tl_keras.data.instances import Instances
from tl_keras.evaluation import evaluate_detection, evaluate_localization
from tl_keras.evaluation.dense_plots import draw_counts, draw_precision_recall
from tl_keras.evaluation.dense_sections import (
    detection_sections,
    instances_sections,
    localization_sections,
    segmentation_sections,
)
from tl_keras.evaluation.dense_tables import (
    detection_table,
    instances_table,
    localization_table,
    segmentation_table,
)
from tl_keras.evaluation.instance_metrics import evaluate_instances
from tl_keras.evaluation.plots import DARK, LIGHT, draw_confusion_matrix, draw_learning_curves
from tl_keras.evaluation.report import write_report
from tl_keras.evaluation.report_blocks import bars, count_bars, figures_table, gallery
from tl_keras.evaluation.segmentation_metrics import evaluate_segmentation

NAMES = ["ant", "b<ee"]


def _rows(section: str) -> dict[str, list[str]]:
    """Cells of a table without their intervals, by the name of the row."""
    found = {}
    for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", section):
        name = re.search(r"row\">(.*?)</th>", row)[1]
        cells = re.findall(r"<td>(.*?)(?:<small>.*?</small>)?</td>", row)
        found[html.unescape(name)] = cells
    return found


def _shows(section: str, drawn: bytes) -> bool:
    return base64.b64encode(drawn).decode("ascii") in section


@pytest.fixture(scope="module")
def detection() -> dict:
    box = [10.0, 10, 50, 50]
    truth = [
        [[*box, 0, 1], [60, 60, 90, 90, 1, 1]],
        [[*box, 0, 1], [0, 0, 0, 0, 0, 0]],
    ]
    found = [
        [[*box, 0, 0.9], [60, 60, 90, 90, 0, 0.8], [0, 0, 0, 0, 0, 0]],  # right; wrong class
        [[60, 60, 90, 90, 1, 0.7], [*box, 0, 0.2], [0, 0, 0, 0, 0, 0]],  # background; too low
    ]
    return evaluate_detection(truth, found, NAMES, score_threshold=0.5)


def test_a_detectors_sections_hold_its_numbers(detection):
    sections = detection_sections(detection)
    table = _rows(sections["Class by class"])
    assert table["ant"][0] == "2" and table["b<ee"][0] == "1"
    assert table["ant"][4:] == ["50.0 %", "50.0 %"]  # one of two answers right, one of two found
    assert table["b<ee"][4:] == ["0.0 %", "0.0 %"]
    assert "from score 0.500 on" in sections["Class by class"]
    wrong = sections["What goes wrong"]
    counts = dict(re.findall(r'counted"><span>(.*?)</span>.*?</div><span>(\d+)</span>', wrong))
    assert counts == {
        "Right": "1", "Missed": "1", "Background": "1", "Wrong class": "1", "Bad box": "0",
        "Wrong class and box": "0", "Double": "0",
    }  # fmt: skip
    # Right, wrong class, bad box, both, double, background, missed.
    assert _rows(wrong)["ant"] == ["1", "1", "0", "0", "0", "0", "1"]
    assert _rows(wrong)["b<ee"] == ["0", "0", "0", "0", "0", "1", "0"]
    expected = {
        "class_names": [*NAMES, "background"],
        "confusion_matrix": [[1, 0, 1], [1, 0, 0], [0, 1, 0]],
    }
    confusion = sections["Which class is taken for which"]
    assert _shows(confusion, draw_confusion_matrix(expected, LIGHT))
    assert _shows(confusion, draw_confusion_matrix(expected, DARK))
    curves = sections["Precision and recall"]
    assert "threshold of 0.500" in curves and _shows(curves, draw_precision_recall(detection, DARK))
    assert not any("<ee" in section for section in sections.values())


def test_the_dot_of_a_curve_lies_at_the_threshold(detection):
    low, high = (
        {
            **detection,
            "per_class": [{**row, "recall": {"value": at}} for row in detection["per_class"]],
        }
        for at in (0.2, 0.8)
    )
    pictures = [_pixels(draw_precision_recall(one)).astype(int) for one in (low, high)]
    _, columns = np.nonzero(np.abs(pictures[0] - pictures[1]).sum(-1))
    width = pictures[0].shape[1]
    assert columns.min() < 0.35 * width and columns.max() > 0.5 * width
    middle = (columns > 0.35 * width) & (columns < 0.5 * width)
    assert not middle.any()  # two dots, nothing else has moved


def _pixels(png: bytes) -> np.ndarray:
    import cv2

    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def test_curves_of_many_classes_and_of_odd_names():
    names = ["$x^{", "_under", "line\nbreak", "", "血小板", *map(str, range(20))]
    per_class = [
        {
            "name": name, "curve": [1.0] * (10 + k) + [0.0] * (91 - k),
            "ap50": {"value": k / 25}, "recall": {"value": 0.5}, "precision": {"value": None},
        }
        for k, name in enumerate(names)
    ]  # fmt: skip
    per_class.append({**per_class[0], "curve": None, "ap50": {"value": None}})
    assert _pixels(draw_precision_recall({"per_class": per_class})).std() > 0


@pytest.mark.parametrize(
    "key", ["accuracy", "mean_iou", "accuracy_at_iou50", "ap50", "average_precision"]
)
def test_learning_curves_show_the_score_of_the_task(key):
    history = [{"loss": 1.0, f"val_{key}": 0.2}, {"loss": 0.5, f"val_{key}": 0.6}]
    with_more = [{"accuracy": 0.4, "val_accuracy": 0.4, **row} for row in history]
    drawn = draw_learning_curves(history)
    without = draw_learning_curves([{"loss": row["loss"]} for row in history])
    assert (_pixels(drawn) != _pixels(without)).any()
    if key != "accuracy":
        assert draw_learning_curves(with_more) == drawn


def test_a_localizers_sections_hold_its_numbers():
    truth = [[0, 0, 10, 10, 0, 1], [0, 0, 10, 10, 1, 1], [0, 0, 0, 0, 1, 0]]
    found = [[0, 0, 10, 10, 0.9, 0.1], [0, 0, 10, 4, 0.9, 0.1], [0, 0, 1, 1, 0.1, 0.9]]
    metrics = evaluate_localization(truth, found, NAMES)
    sections = localization_sections(metrics)
    section = sections["Class by class"]
    assert _rows(section) == {
        "ant": ["1", "100.0 %", "100.0 %", "100.0 %"],
        "b<ee": ["1", "40.0 %", "0.0 %", "0.0 %"],
    }
    assert "mean IoU of 100.0 %" in section and "1 images have no box" in section
    # The second is taken for the first class, the third has no box but a class.
    expected = {"class_names": NAMES, "confusion_matrix": [[1, 0], [1, 1]]}
    assert _shows(sections["Which class is taken for which"], draw_confusion_matrix(expected))


def test_an_image_without_a_class_is_in_no_confusion():
    truth, found = [[0, 0, 9, 9, -1, 1], [0, 0, 9, 9, 1, 1]], [[0, 0, 9, 9, 0.2, 0.8]] * 2
    assert evaluate_localization(truth, found, NAMES)["confusion_matrix"] == [[0, 0], [0, 1]]


def test_a_segmenters_sections_hold_its_numbers():
    truth = np.array([[0, 0, 0, 0, 1, 1, 1, 255]])
    found = np.array([[0, 0, 0, 1, 1, 1, 0, 1]])
    sections = segmentation_sections(evaluate_segmentation([(truth, found)], NAMES))
    table = _rows(sections["Class by class"])
    assert table["ant"][:3] == ["1", "4", "60.0 %"] and table["b<ee"][:3] == ["1", "3", "50.0 %"]
    shares = {"class_names": NAMES, "confusion_matrix": [[75, 25], [33, 67]]}
    drawn = sections["Which class is taken for which"]
    assert _shows(drawn, draw_confusion_matrix(shares, LIGHT)) and "per cent" in drawn


@pytest.fixture(scope="module")
def instances() -> dict:
    ids = np.zeros((20, 20), np.int32)
    ids[:8, :8], ids[10:18, :8], ids[:8, 10:18] = 1, 2, 3
    truth = Instances(ids, np.array([0, 0, 1]), np.ones(3, np.float32))
    partly = np.where(ids == 3, 0, ids)
    found = Instances(partly, np.array([0, 0]), np.array([0.9, 0.8], np.float32))
    return evaluate_instances([(truth, truth), (truth, found)], NAMES, score_threshold=0.5)


def test_an_instance_segmenters_sections_hold_its_numbers(instances):
    sections = instances_sections(instances)
    table = _rows(sections["Class by class"])
    assert table["ant"][:3] == ["4", "4", "0.00"] and table["b<ee"][:3] == ["2", "1", "0.50"]
    assert table["ant"][-1] == "100.0 %" and table["b<ee"][-1] == "66.7 %"
    counts = sections["How many are found"]
    assert "6 things are true, 5 found; 1 of 2 images have the exact number" in counts
    assert _shows(counts, draw_counts(instances, LIGHT))
    curves = sections["Precision and recall"]
    assert "IoU of masks 0.5" in curves and _shows(curves, draw_precision_recall(instances, LIGHT))


def test_curves_of_things(instances):
    ant, bee = instances["per_class"]
    assert ant["curve"] == [1.0] * 101
    # One of two bees is found, and nothing else is taken for one: right up to half of them.
    assert bee["curve"] == [1.0] * 51 + [0.0] * 50
    assert [bee[key]["value"] for key in ("precision", "recall")] == [1.0, 0.5]
    assert [ant[key]["value"] for key in ("precision", "recall")] == [1.0, 1.0]


@pytest.mark.parametrize("pairs", [[(0, 0), (1, 0)], [(900, 0)], [(3, 3)] * 500 + [(40, 38)]])
def test_counts_of_any_size_are_drawn(pairs):
    drawn = draw_counts({"per_image": [{"true": t, "found": f} for t, f in pairs]})
    assert _pixels(drawn).std() > 0


def test_tables_for_the_terminal(detection, instances):
    lines = detection_table(detection)
    assert lines[0].split() == ["class", "boxes", "AP", "AP50", "AP75", "precision", "recall"]
    assert lines[1].split()[:2] == ["ant", "2"] and lines[1].split()[-2:] == ["0.500", "0.500"]
    assert len({len(line) for line in lines[:-1]}) == 1
    assert "1 right, 1 wrong class" in lines[-1] and "1 background, 1 missed" in lines[-1]
    lines = instances_table(instances)
    assert lines[2].split()[:4] == ["b<ee", "2", "1", "0.50"] and lines[2].split()[-1] == "0.667"
    truth, found = [[0, 0, 10, 10, 0, 1]], [[0, 0, 10, 5, 0.9, 0.1]]
    lines = localization_table(evaluate_localization(truth, found, NAMES))
    assert lines[1].split() == ["ant", "1", "0.500", "1.000", "1.000"]
    assert lines[2].split() == ["b<ee", "0", "-", "-", "-"]
    lines = segmentation_table(evaluate_segmentation([([[0, 1]], [[0, 0]])], NAMES))
    assert lines[1].split()[:4] == ["ant", "1", "1", "0.500"]


def test_a_gallery_shows_twelve_and_draws_no_more():
    drawn = []

    def pictures():
        for k in range(100):
            drawn.append(k)
            yield np.full((200, 800, 3), k, np.uint8), f"<{k}>"

    shown = gallery(pictures(), "a & b")
    assert shown.count("<figure>") == 12 and len(drawn) == 12
    assert "&lt;11&gt;" in shown and "&lt;12&gt;" not in shown and "a &amp; b" in shown
    first = re.search(r"base64,([^\"]+)", shown)[1]
    assert _pixels(base64.b64decode(first)).shape == (190, 760, 3)
    assert not gallery([])


def test_a_page_of_sections_is_whole(tmp_path, detection):
    page = write_report(
        tmp_path / "report.html", title="t", model_info={}, measured="2 images",
        headline={"AP50": detection["ap50"]},
        compared={"This model": detection["ap50"], "Not measured": {"value": None}},
        sections={"Worst": gallery([(np.zeros((9, 9, 3), np.uint8), "x")]),
                  **detection_sections(detection)},
    ).read_text()  # fmt: skip
    assert page.count("<section ") == page.count("</section>")
    assert page.index("Worst") < page.index("What goes wrong") and "Learning curves" not in page


def test_blocks_show_what_they_are_given():
    assert "<span>–</span>" in bars({"guess": {"value": None, "low": None, "high": None}})
    shown = count_bars([("a", 4, "x & y"), ("b", 1, "")])
    assert "width:100.00%" in shown and "width:25.00%" in shown and "x &amp; y" in shown
    assert "width:0.00%" in count_bars([("a", 0, "")])
    table = figures_table([{"name": "n", "key": ("1.50", "1 to 2")}], {"K": "key"}, "N")
    assert "<td>1.50<small>1 to 2</small></td>" in table
