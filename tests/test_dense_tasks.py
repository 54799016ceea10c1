"""The tasks that say where things are: trained on the built-in set, saved, opened, asked, drawn."""

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_backbone
from PIL import Image

import tl_keras as tl
from tl_keras.cli.fold_summary import _headline
from tl_keras.cli.main import main
from tl_keras.cli.options import percent
from tl_keras.data.boxes import Boxes
from tl_keras.data.framing import Frame
from tl_keras.data.instance_targets import instance_targets
from tl_keras.data.instances import Instances
from tl_keras.data.sample_examples import sample_examples
from tl_keras.data.samples import sample_set
from tl_keras.errors import InputError
from tl_keras.tasks.kinds import AVERAGED, KINDS, POOLED, WITH_BACKGROUND
from tl_keras.tasks.registry import TASKS, get_task
from tl_keras.tasks.task import Pace
from tl_keras.training.dense_recipes import dense_recipe
from tl_keras.training.placement import choose_placement
from tl_keras.training.recipes import Stage
from tl_keras.training.stage_callbacks import head_norms

SIZE = 96
# Of the first figure.  Measured: 0.67, 0.38, 0.57, 0.07; from random weights 0.59, 0.08, 0.10, 0.
FLOORS = {"localize": 0.63, "detect": 0.3, "segment": 0.4, "instances": 0.03}
DENSE = list(FLOORS)


def slow_but(*quick):
    """All these tasks, of which these stay in the quick suite."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in DENSE]


def parts(task):
    """Training examples of the built-in set, and half of its validation examples."""
    examples = task.prepared(sample_examples(background=task.name in WITH_BACKGROUND))
    train, val = examples.part("train"), examples.part("val")
    return train, val.subset(range(0, len(val), 2))


@pytest.fixture(scope="module", params=slow_but("detect", "segment"))
def trained(request, tmp_path_factory):
    """A run of each task, its artefact's folder, and what it was validated on."""
    task = get_task(request.param)
    train, val = parts(task)
    keras.utils.set_random_seed(0)
    model = task.build("mobilenet_v3_small", task.names(train), image_size=SIZE, weights="bundled")
    stage = Stage("all", 5, "all", 2e-3, augment="light")
    run = tl.fit(model, train, val, recipe=[stage], verbose=False)
    folder = tmp_path_factory.mktemp("dense") / task.name
    run.save(folder)
    return run, folder, val


def first(task, metrics):
    return next(iter(task.headline(metrics).values()))["value"]


def shifted(prediction):
    """What a decoder that is a quarter of the image off would say."""
    if isinstance(prediction, Instances):
        return replace(prediction, ids=np.roll(prediction.ids, SIZE // 4, axis=(0, 1)))
    moved = np.array(prediction)
    if moved.ndim == 2 and moved.shape == (SIZE, SIZE):
        return np.roll(moved, SIZE // 4, axis=(0, 1))
    moved[..., :4] += SIZE / 4
    return moved


def test_it_learns_and_a_broken_decoder_would_not_pass(trained):
    run, _, val = trained
    task = run.task
    assert first(task, run.metrics) > FLOORS[task.name]
    assert first(task, run.metrics) > task.baseline(run.metrics)[1]
    truths, predictions = tl.load(trained[1]).judged(val)
    wrong = [shifted(prediction) for prediction in predictions]
    broken = task.measure(truths, wrong, run.names, run.settings)
    assert first(task, broken) < FLOORS[task.name]
    json.dumps(run.metrics, allow_nan=False)
    for figure in task.headline(run.metrics).values():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_the_artefact_measures_what_the_run_measured(trained):
    run, folder, val = trained
    predictor = tl.load(folder)
    found = predictor.evaluate(val)
    assert first(run.task, found) == pytest.approx(first(run.task, run.metrics), abs=2e-3)
    other = run.task.prepared(val, run.names[::-1])  # another table may sort its classes otherwise
    assert other.class_names == run.names[::-1]
    again = predictor.evaluate(other)
    assert first(run.task, again) == pytest.approx(first(run.task, found))
    said = json.loads((folder / "model.json").read_text())
    assert said["task"] == run.task.name
    assert said["class_names"] == list(run.names)
    assert said["settings"] == run.settings
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 12 and "Class by class" in page


def test_answers_are_in_the_pixels_of_the_image_itself(trained, tmp_path):
    run, folder, val = trained
    predictor = tl.load(folder)
    picture = Image.open(val.paths[0])
    wide = tmp_path / "wide.png"
    picture.resize((picture.width * 3, picture.height)).save(wide)
    plain, stretched = predictor.predict([val.paths[0], wide])
    assert plain.source == val.paths[0]
    assert run.task.said(plain, None)
    json.dumps(run.task.told(plain), allow_nan=False)
    for answer in (plain, stretched):
        width, height = Image.open(answer.source).size
        mask = getattr(answer, "classes", getattr(answer, "ids", None))
        if isinstance(mask, np.ndarray):
            assert mask.shape == (height, width)
        boxes = [t.box for t in getattr(answer, "things", ())] or [getattr(answer, "box", None)]
        for box in filter(None, boxes):
            assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
    if hasattr(plain, "box"):
        np.testing.assert_allclose(
            np.array(stretched.box), np.array(plain.box) * [3, 1, 3, 1], atol=6
        )


def test_the_command_predicts_draws_and_measures(trained, tmp_path, capsys):
    run, folder, val = trained
    drawn = tmp_path / "drawn"
    images = [*val.paths[:2], str(tmp_path / "none.jpg")]
    assert main(["predict", str(folder), *images, "--draw", str(drawn), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert [item["source"] for item in said["predictions"]] == list(val.paths[:2])
    assert "none.jpg" in said["skipped"][0]["path"]
    pictures = sorted(path.name for path in drawn.glob("*.jpg"))
    assert pictures == sorted(f"{Path(path).stem}.jpg" for path in val.paths[:2])
    masks = [np.asarray(Image.open(path)) for path in sorted(drawn.glob("*.mask.png"))]
    assert len(masks) == (2 if run.task.name in ("segment", "instances") else 0)
    assert main(["predict", str(folder), val.paths[0]]) == 0
    line = capsys.readouterr().out
    assert line.startswith(val.paths[0]) and len(line.splitlines()) == 1


def test_the_model_loads_and_answers_without_us(trained):
    run, folder, val = trained
    image = tl.data.load_image(val.paths[0], SIZE, run.resize)[None]
    np.save(folder / "image.npy", image)
    program = (
        "import sys; sys.modules['tl_keras'] = None\n"
        "import keras, numpy as np\n"
        f"model = keras.saving.load_model({str(folder / 'model.keras')!r})\n"
        f"out = model.predict(np.load({str(folder / 'image.npy')!r}), verbose=0)\n"
        "out = out if isinstance(out, dict) else {'out': out}\n"
        f"np.savez({str(folder / 'out.npz')!r}, **out)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    found = dict(np.load(folder / "out.npz"))
    expected = run.final.predict(image, verbose=0)
    expected = expected if isinstance(expected, dict) else {"out": expected}
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-3)
    for name in ("image.npy", "out.npz"):
        (folder / name).unlink()


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """Twenty pictures of the built-in set with a COCO file, as someone's annotation tool writes."""
    source, root = sample_set(), tmp_path_factory.mktemp("coco")
    told = json.loads((source / "annotations.json").read_text())
    told["images"] = told["images"][::22][:20]
    kept = {image["id"] for image in told["images"]}
    told["annotations"] = [a for a in told["annotations"] if a["image_id"] in kept]
    for image in told["images"]:
        name = Path(image["file_name"]).name
        shutil.copy(source / image["file_name"], root / name)
        image["file_name"] = name
    (root / "annotations.json").write_text(json.dumps(told))
    return root


@pytest.mark.parametrize("task", slow_but("instances"))
def test_the_command_trains_on_annotated_pictures(task, coco, tmp_path, capsys):
    recipe = tmp_path / "one.toml"
    recipe.write_text('[[stages]]\nname = "all"\nepochs = 1\nunfreeze = "all"\n')
    asked = ["--backbone", tiny_backbone.NAME, "--weights", "none", "--image-size", "64"]
    if task in ("segment", "instances"):
        asked += ["--head", "fcn"]
    asked += ["--recipe", str(recipe), "--output", str(tmp_path / "out"), "--task", task]
    assert main(["train", str(coco), *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"metrics", "artefact", "recipe"} <= told.keys()
    said = json.loads((tmp_path / "out" / "model.json").read_text())
    assert said["task"] == task and said["resize"] == "stretch"
    assert ("background" in said["class_names"]) == (task in WITH_BACKGROUND)
    measured = ["evaluate", str(tmp_path / "out"), str(coco), "--output", str(tmp_path / "m")]
    assert main(measured) == 0
    assert len(list((tmp_path / "m").glob("worst-*.jpg"))) == 12


@pytest.mark.parametrize(("task", "has"), [("detect", "one of fcos, yolov8"), ("tag", "alone")])
def test_a_head_that_a_task_has_not(task, has, coco, capsys):
    assert main(["train", str(coco), "--task", task, "--head", "unet"]) == 2
    assert has in capsys.readouterr().err


def test_models_that_say_where_are_not_averaged(coco, capsys):
    assert main(["train", str(coco), "--task", "detect", "--folds", "2", "--ensemble"]) == 2
    assert "--ensemble averages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--feature-cache", "kept"], "--feature-cache keeps one vector an image"),
        (["--classes", "cat"], "are for DATA of your own"),
    ],
)
def test_what_would_have_no_effect_is_said(asked, words, capsys):
    assert main(["train", "--task", "segment", *asked]) == 2
    assert words in capsys.readouterr().err


def test_a_figure_that_cannot_be_measured_is_said_so():
    assert percent({"value": None, "low": None, "high": None}) == "not measurable"
    assert percent({"value": 0.5, "low": 0.25, "high": 0.75}).startswith("50.0 % (95 %")


def test_every_task_has_a_line_and_a_record():
    assert list(KINDS) == list(TASKS)
    for name, task in TASKS.items():
        assert task.name == name and task.line == KINDS[name]
        assert task.pooled == (name in POOLED) and set(AVERAGED) <= set(POOLED)


def test_norms_of_the_head_move_in_the_first_stage_alone():
    task = get_task("segment")
    data = small(task)
    model = task.build(tiny_backbone.NAME, task.names(data), image_size=64, weights=None)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            means = (layer.moving_mean for layer in head_norms(self.model))
            seen.append([keras.ops.convert_to_numpy(mean).copy() for mean in means])

    stages = [Stage("head", 2), Stage("top", 1, 1), Stage("all", 2, "all")]
    tl.fit(model, data, data, recipe=stages, verbose=False, callbacks=[Watch()])
    moved = [
        any((one != other).any() for one, other in zip(*pair, strict=True))
        for pair in itertools.pairwise(seen)
    ]
    assert len(seen[0]) > 3 and moved == [True, False, False, False], moved
    assert all(layer.trainable for layer in head_norms(model))


def test_figures_that_cannot_be_had_do_not_cost_the_model(capsys):
    task = get_task("detect")
    data = small(task)
    model = task.build(tiny_backbone.NAME, task.names(data), image_size=64, weights=None)
    calls = []

    class Lost(type(task)):
        def measure(self, *given):
            calls.append(1)
            raise InputError("no image has a box; nothing can be measured")

    run = tl.fit(model, data, data, task=Lost(), recipe=[Stage("all", 1, "all")], verbose=False)
    assert calls and run.metrics == {}
    assert "not measured" in capsys.readouterr().err


def small(task, count=6, names=("cat", "dog")):
    """Arrays of pictures with one bright square each, and what a task learns of them."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 60, (count, 64, 64, 3)).astype("float32")
    boxes = np.zeros((count, 2, 6), "float32")
    pixels = np.zeros((count, 64, 64), "uint8")
    maps = np.zeros((count, 64, 64, 6), "float32")
    for i in range(count):
        x, y = rng.integers(4, 30, 2)
        kind = i % len(names)
        images[i, y : y + 24, x : x + 24] = 120 + 100 * kind
        boxes[i, 0] = x, y, x + 24, y + 24, kind, 1
        pixels[i, y : y + 24, x : x + 24] = kind + 1
        mask = pixels[i][None] > 0
        maps[i, ..., :5] = instance_targets(mask, [kind])
        maps[i, ..., 5] = mask[0]
    return images, {
        "localize": boxes[:, 0], "detect": boxes, "segment": pixels, "instances": maps,
    }[task.name]  # fmt: skip


@pytest.mark.parametrize("name", slow_but("localize", "instances"))
def test_arrays_are_learned_from_too(name):
    task = get_task(name)
    data = small(task)
    model = task.build(tiny_backbone.NAME, task.names(data), image_size=64, weights=None)
    stages = [Stage("head", 1), Stage("all", 1, "all")]
    run = tl.fit(model, data, data, recipe=stages, verbose=False)
    assert [row["stage"] for row in run.history] == ["head", "all"]
    assert all(np.isfinite(row["val_loss"]) for row in run.history)
    assert run.counts.sum() > 0
    assert run.shown[0][0].dtype == np.uint8


@pytest.mark.parametrize("name", slow_but("segment"))
def test_a_finished_run_is_found_again(name, tmp_path):
    task = get_task(name)
    data = small(task)
    made = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        model = task.build(tiny_backbone.NAME, task.names(data), image_size=64, weights=None)
        made.append(
            tl.fit(model, data, data, recipe=[Stage("all", 2, "all")], resume=tmp_path / "r",
                   verbose=False)
        )  # fmt: skip
    assert made[0].metrics == made[1].metrics
    for one, other in zip(*(run.model.get_weights() for run in made), strict=True):
        np.testing.assert_array_equal(one, other)


def test_recipes_of_arrays_count_their_images():
    task = get_task("segment")
    data = small(task, count=24)
    model = task.build(tiny_backbone.NAME, task.names(data), image_size=64, weights=None)
    stop = keras.callbacks.LambdaCallback(on_train_begin=lambda _: _interrupt())
    run = tl.fit(model, data, recipe="feature_extraction", callbacks=[stop], verbose=False)
    assert run.interrupted and "24 training images, 3 steps an epoch" in run.recipe.reason


@pytest.mark.parametrize("name", ["instances", pytest.param("detect", marks=pytest.mark.slow)])
def test_a_model_has_room_for_what_it_learned_from(name, tmp_path):
    """121 things of 4 px: more than the hundred that every model has room for."""
    task = get_task(name)
    images, _ = small(get_task("detect"), count=2)
    corners = np.stack(np.meshgrid(*[np.arange(0, 55, 5)] * 2), -1).reshape(-1, 2)
    if name == "detect":
        row = np.concatenate([corners, corners + 4, np.zeros((121, 1)), np.ones((121, 1))], 1)
        targets = np.stack([row, row]).astype("float32")
        targets[1, 50:] = 0  # padding
    else:
        masks = np.zeros((121, 64, 64), bool)
        for mask, (x, y) in zip(masks, corners, strict=True):
            mask[y : y + 4, x : x + 4] = True
        targets = np.zeros((2, 64, 64, 6), "float32")
        targets[..., :5] = instance_targets(masks, [0] * 121)
        targets[..., 5] = (masks * np.arange(1, 122)[:, None, None]).sum(axis=0)
    model = task.build(tiny_backbone.NAME, ["a", "b", "c"], image_size=64, weights=None)
    stages = [Stage("all", 1, "all")]
    run = tl.fit(model, (images, targets), recipe=stages, verbose=False)
    run.save(tmp_path / "run")
    output = tl.load(tmp_path / "run").model.output
    assert (output["things"] if name == "instances" else output).shape == (None, 190, 6)
    few = (images, targets[:, :9] if name == "detect" else 0 * targets)
    assert list(task.bounds(few).values()) == [100]


def _interrupt():
    raise KeyboardInterrupt


def test_three_validation_images_make_no_interval_but_a_model(tmp_path, capsys):
    task = get_task("segment")
    train, val = small(task), small(task, count=3)
    model = task.build(tiny_backbone.NAME, task.names(train), image_size=64, weights=None)
    run = tl.fit(model, train, val, recipe=[Stage("all", 1, "all")], verbose=False)
    figure = run.metrics["mean_iou"]
    assert figure["value"] is not None and figure["low"] is None
    assert percent(figure) == f"{100 * figure['value']:.1f} %"
    run.save(tmp_path / "run")
    assert "not measurable" in (tmp_path / "run" / "report.html").read_text()


def test_a_model_that_nothing_tuned_is_measured_as_it_answers():
    one = Instances(np.ones((4, 4), int), np.array([0]), np.full(1, 0.3, "float32"))
    rows = np.array([[[0, 0, 4, 4, 0, 0.3]]], "float32")
    for name, truths, said in (("detect", np.ceil(rows), rows), ("instances", [one], [one])):
        found = get_task(name).measure(truths, said, ["cell"], {})
        assert found["score_threshold"] == 0.5 and found["recall"]["value"] == 0
        assert get_task(name).measure(truths, said, ["cell"], None)["score_threshold"] < 0.3


def test_figures_that_do_not_exist_are_said():
    nowhere = {"value": None, "low": None, "high": None}
    assert percent(nowhere) == "not measurable"
    # Folds of which one has no precision, for it answered nothing.
    one = {"metrics": dict.fromkeys(("ap50", "ap", "precision", "recall"), nowhere)}
    figures = {name: {"value": 0.5} for name in ("ap50", "ap", "recall")}
    shown = _headline(get_task("detect"), figures, one)
    assert list(shown) == ["AP at IoU 0.5", "AP (COCO)", "recall"]


def broken(task, case):
    """A table of one task with something wrong about it."""
    train, _ = parts(task)
    train = train.subset(range(8))
    if case == "nothing":
        return replace(train, boxes=None, masks=None)
    if case == "no boxes at all":
        return replace(train, boxes=tuple(Boxes.of() for _ in train.paths))
    return train.subset([])


@pytest.mark.parametrize(
    ("name", "case", "words"),
    [
        *((name, "nothing", "brings no") for name in DENSE),
        ("detect", "no boxes at all", "no training image has a box that counts"),
        ("localize", "no boxes at all", "no training image has a box"),
        *((name, "empty", "there are no training images") for name in DENSE),
    ],
)
def test_data_that_cannot_be_learned_from(name, case, words):
    task = get_task(name)
    names = ["a"] * (9 if name in WITH_BACKGROUND else 8)
    model = task.build(tiny_backbone.NAME, names, image_size=64, weights=None)
    with pytest.raises(InputError, match=words) as caught:
        tl.fit(model, broken(task, case), verbose=False)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("detect", {"recipe": "bit_hyperrule"}, "one class per image"),
        ("detect", {"recipe": "ridge"}, "recipe .ridge. is for one class per image"),
        ("detect", {"augment": "standard+mixup"}, "mixes images"),
        ("segment", {"recipe": "progresive"}, "did you mean"),
        ("detect", {"recipe": [Stage("a", 1), Stage("b", 1, "all", augment="strong")]}, "share"),
        ("detect", {"recipe": tl.Recipe("r", (Stage("a", 1),), balance="sqrt")}, "balance"),
        ("detect", {"recipe": tl.Recipe("r", (Stage("a", 1),), loss="logit_adjusted")}, "loss"),
        ("segment", {"recipe": tl.Recipe("r", (Stage("a", 1),), loss="logit_adjusted")}, "loss"),
        ("localize", {"recipe": tl.Recipe("r", (Stage("a", 1),), loss="focal")}, "loss"),
        ("instances", {"recipe": tl.Recipe("r", (Stage("a", 1),), loss="focal")}, "loss"),
    ],
)
def test_what_a_task_does_not_know_is_said(name, options, words):
    task = get_task(name)
    train, _ = parts(task)
    model = task.build(tiny_backbone.NAME, task.names(train), image_size=64, weights=None)
    with pytest.raises(InputError, match=words):
        tl.fit(model, train.subset(range(16)), verbose=False, **options)


def test_one_class_of_pixels_tells_nothing_apart():
    with pytest.raises(InputError, match="--background"):
        get_task("segment").build(tiny_backbone.NAME, ["crack"], image_size=64, weights=None)


def test_what_lies_in_the_padding_is_no_thing():
    rows = np.array([[10, 2, 20, 10, 0, 0.9], [10, 20, 20, 40, 0, 0.8]], "float32")
    placed = get_task("detect").placed(rows, Frame(50, 200, 64, "pad"))
    assert placed[:, 5].tolist() == [0, pytest.approx(0.8)]


def test_pixels_alone_are_told_tile_by_tile(trained, tmp_path, capsys):
    run, folder, val = trained
    picture = Image.open(val.paths[0])
    large = tmp_path / "large.png"
    Image.fromarray(np.tile(np.asarray(picture.resize((SIZE, SIZE))), (3, 2, 1))).save(large)
    command = ["predict", str(folder), str(large), "--tiled"]
    if run.task.name != "segment":
        assert main(command) == 2
        assert "--task segment" in capsys.readouterr().err
        return
    assert main(command) == 0
    (answer,) = tl.load(folder).predict(large, tiled=True)
    assert answer.classes.shape == (3 * SIZE, 2 * SIZE)
    # What is repeated is seen the same wherever the margin covers what lies around.
    whole = tl.load(folder).predict(val.paths[0])[0].classes
    middle = answer.classes[SIZE : 2 * SIZE, :SIZE]
    resized = np.asarray(Image.fromarray(whole).resize((SIZE, SIZE), Image.NEAREST))
    assert (middle == resized).mean() > 0.75


def test_views_are_averaged_of_whole_images_only(trained):
    _, folder, val = trained
    with pytest.raises(InputError, match="tta"):
        tl.load(folder).predict(val.paths[:1], tta="standard")
    with pytest.raises(InputError, match="probabilities"):
        tl.load(folder).probabilities(val.paths[:1])


@pytest.mark.parametrize("images", [1, 30, 200, 5_000])
@pytest.mark.parametrize("name", ["auto", "feature_extraction", "progressive"])
def test_recipes_count_in_steps(name, images):
    recipe = dense_recipe(name, images, 8, True, choose_placement("cpu", "float32"), Pace())
    assert recipe.stages[0].frozen
    assert all(stage.epochs >= 1 for stage in recipe.stages)
    if name != "feature_extraction":
        assert recipe.stages[-1].unfreeze == "all"
    steps = sum(stage.epochs for stage in recipe.stages) * -(-images // 8)
    assert steps >= 60
    scratch = dense_recipe(name, images, 8, False, choose_placement("cpu", "float32"), Pace())
    assert scratch.stages[0].frozen == (name == "feature_extraction")
