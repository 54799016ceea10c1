"""A handful of images of each class: heads in closed form, and how the handful is drawn."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from tiny_backbone import NAME

import tl_keras as tl
from tl_keras.backbones.registry import find_backbone
from tl_keras.cli.main import main
from tl_keras.cli.shots import shot_parts
from tl_keras.data import Examples
from tl_keras.errors import InputError
from tl_keras.training import ridge as ridge_module
from tl_keras.training.closed_form import closed_form_head
from tl_keras.training.features import extract_features
from tl_keras.training.few_shot import accuracy_over_draws
from tl_keras.training.inputs import batches_of
from tl_keras.training.prototypes import prototypes
from tl_keras.training.ridge import ridge


def _rows(count=30, width=8, classes=3, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    x = rng.normal(size=(count, width))
    x[np.arange(count), labels] += apart
    return x, labels


@pytest.mark.parametrize("width", [6, 50])
def test_ridge_with_weights_is_what_scikit_learn_fits(width):
    """Kernel, bias, and every left-out score by as many fits as there are rows."""
    x, labels = _rows(width=width)
    y, weights = np.eye(3)[labels], np.random.default_rng(1).uniform(0.2, 3, len(x))
    fit = ridge(x, y, weights=weights)
    middle = np.average(x, 0, weights)
    values = np.linalg.svd((x - middle) * np.sqrt(weights)[:, None], compute_uv=False) ** 2
    alpha = fit.penalty * values[values > values[0] * 1e-10].mean()
    peer = Ridge(alpha).fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(fit.kernel, peer.coef_.T, atol=1e-8)
    np.testing.assert_allclose(fit.bias, peer.intercept_, atol=1e-8)
    np.testing.assert_allclose(fit.scores(x), peer.predict(x), atol=1e-8)
    for row in range(len(x)):
        others = np.delete(np.arange(len(x)), row)
        again = Ridge(alpha).fit(x[others], y[others], sample_weight=weights[others])
        np.testing.assert_allclose(fit.left_out[row], again.predict(x[[row]])[0], atol=1e-7)


def test_the_penalty_is_chosen_by_who_judges():
    rng = np.random.default_rng(0)
    x, line = rng.normal(size=(40, 12)), np.arange(40) < 20
    # The heavy half follows a line exactly; the light one is noise, and wants no kernel at all.
    y = np.where(line[:, None], x[:, :1] + x[:, 1:2], 5 * rng.normal(size=(40, 1)))
    weights = np.where(line, 50.0, 0.02)
    for counted in (line, ~line):

        def judge(rows, scores, counted=counted):
            return np.square(y[rows] - scores)[counted[rows]].sum()

        fit = ridge(x, y, weights=weights, judge=judge)
        others = [ridge(x, y, weights=weights, penalty=p) for p in np.logspace(-4, 1, 6)]
        errors = [judge(np.arange(40), one.left_out) for one in others]
        assert others[int(np.argmin(errors))].penalty == fit.penalty
    assert fit.penalty > 0.01 > ridge(x, y, weights=weights).penalty


def test_more_rows_than_are_decomposed_are_fitted_all(monkeypatch):
    x, labels = _rows(300, 20)
    y, weights = np.eye(3)[labels], np.random.default_rng(1).uniform(0.5, 2, len(x))
    whole = ridge(x, y, weights=weights, penalty=0.1)
    monkeypatch.setattr(ridge_module, "MOST_ROWS", 100)
    monkeypatch.setattr(ridge_module, "_BLOCK", 64)
    parts = ridge(x.astype("float32"), y, weights=weights, penalty=0.1)
    np.testing.assert_allclose(parts.kernel, whole.kernel, atol=1e-6)
    np.testing.assert_allclose(parts.bias, whole.bias, atol=1e-6)
    assert parts.left_out.shape == (100, 3) and len(set(parts.rows)) == 100
    labelled = ridge(x, y).left_out.argmax(axis=1) == labels[ridge(x, y).rows]
    assert labelled.mean() > 0.6


def test_prototypes_name_the_nearest_mean_by_cosine():
    x, labels = _rows(40, 10, 4, apart=3.0)
    fit = prototypes(x, labels, 4)
    means = np.stack([x[labels == c].mean(axis=0) for c in range(4)])
    middle = means.mean(axis=0)
    away, seen = means - middle, np.random.default_rng(5).normal(size=(50, 10))
    cosines = (
        (seen - middle) @ away.T
        / np.linalg.norm(seen - middle, axis=1)[:, None] / np.linalg.norm(away, axis=1)
    )  # fmt: skip
    np.testing.assert_array_equal(fit.scores(seen).argmax(1), cosines.argmax(1))
    for place, row in enumerate(fit.rows):
        others = np.delete(np.arange(len(x)), row)
        again = prototypes(x[others], labels[others], 4).scores(x[[row]])[0]
        ratio = fit.left_out[place] / again  # of the mean lengths that divide: the same for all
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


@pytest.mark.parametrize("solver", ["ridge", "prototypes"])
def test_probabilities_are_as_sure_as_they_are_right(solver):
    """Cross-entropy on other data: below that of twice and of half the scale, and of a guess."""
    x, labels = _rows(60, 30, 3, seed=1)
    seen, truths = _rows(3000, 30, 3, seed=2)
    head = closed_form_head(x, labels, 3, solver)

    def loss(factor):
        scaled = head._replace(kernel=head.kernel * factor, bias=head.bias * factor)
        return -np.log(scaled.probabilities(seen)[np.arange(3000), truths]).mean()

    assert loss(1) < min(loss(2), loss(0.4), np.log(3))
    right = (head.probabilities(seen).argmax(1) == truths).mean()
    assert right > 0.7 and abs(head.left_out - right) < 0.15


@pytest.mark.parametrize("solver", ["ridge", "prototypes"])
def test_one_image_of_each_class_is_enough(solver):
    x, labels = _rows(3, 20, 3, apart=9.0)
    head = closed_form_head(x, labels, 3, solver)
    seen, truths = _rows(300, 20, 3, seed=4, apart=9.0)
    assert head.left_out is None
    assert (head.probabilities(seen).argmax(1) == truths).mean() > 0.9
    # One class with two images, the others with one: only the two can be left out.
    head = closed_form_head(np.concatenate([x, x[:1] + 0.1]), np.append(labels, 0), 3, solver)
    assert head.left_out == 1.0


def test_what_cannot_be_solved_is_said():
    x, labels = _rows(6, 4, 3)
    with pytest.raises(InputError, match="class 3 of 4 has no image"):
        closed_form_head(x, labels, 4)
    with pytest.raises(InputError, match="solver='svm' is unknown; give one of prototypes, ridge"):
        closed_form_head(x, labels, 3, "svm")
    with pytest.raises(InputError, match="finite features"):
        closed_form_head(np.full_like(x, np.nan), labels, 3)
    with pytest.raises(InputError, match="epochs=1"):
        tl.Stage("head", 5, solver="ridge")
    with pytest.raises(InputError, match="unfreeze=0"):
        tl.Stage("head", 1, unfreeze="all", solver="ridge")


def _table(labels, digests=None, groups=None):
    count = len(labels)
    names = tuple("abcdefg"[: max(labels) + 1])
    digests = tuple(digests or map(str, range(count)))
    paths = tuple(f"{i}.png" for i in range(count))
    return Examples(paths, np.array(labels), names, digests, (None,) * count, groups=groups)


def test_a_draw_is_even_disjoint_and_the_seeds():
    rng = np.random.default_rng(0)
    for seed in range(30):
        labels = rng.permutation(np.repeat([0, 1, 2], rng.integers(6, 30, 3)))
        # Some files are copies of others of their class.
        digests = [f"{label}-{rng.integers(0, 12)}" for label in labels]
        table = _table(labels.tolist(), digests)
        most = min(len({d for d in digests if d[0] == str(c)}) for c in range(3)) - 1
        shots = int(rng.integers(1, most + 1))
        drawn, rest = table.draw(shots, seed)
        assert list(drawn.counts().values()) == [shots] * 3
        assert len(set(drawn.digests)) == len(drawn)
        assert not set(drawn.digests) & set(rest.digests)
        copies = sum(d in set(drawn.digests) for d in table.digests)
        assert len(rest) == len(table) - copies and min(rest.counts().values()) > 0
        shuffled = table.subset(rng.permutation(len(table)))
        assert set(shuffled.draw(shots, seed)[0].digests) == set(drawn.digests)
    others = [set(table.draw(shots, 0, repeat=k)[0].digests) for k in range(8)]
    assert len({frozenset(one) for one in others}) > 1


def test_groups_are_not_torn_and_as_many_as_can_be_are_drawn_from():
    groups = tuple(f"{label}{i % 4}" for label in "xy" for i in range(12))
    table = _table([0] * 12 + [1] * 12, groups=groups)
    drawn, rest = table.draw(3)
    assert not set(drawn.groups) & set(rest.groups) and len(set(drawn.groups)) == 6
    drawn, rest = table.draw(6)
    assert not set(drawn.groups) & set(rest.groups) and len(rest) == 6


def test_too_few_images_are_said():
    table = _table([0] * 9 + [1] * 4, digests := [*map(str, range(12)), "11"])
    with pytest.raises(
        InputError, match=r"class 'b' .* has 3 distinct images, 2 that can be drawn"
    ):
        table.draw(3)
    assert table.draw(3, leave=False)[0].counts() == {"a": 3, "b": 3}
    for shots in (0, 1.5, True, "5"):
        with pytest.raises(InputError, match="shots"):
            table.draw(shots)
    with pytest.raises(InputError, match="1 of 14 images have no class"):
        _table([0] * 9 + [1] * 4 + [-1], [*digests, "x"]).draw(1)
    # Which groups class a is drawn from, the seed says; of class b there are but two.
    table = _table([0] * 4 + [1] * 6, groups=tuple("pqrs") + tuple("pppqqq"))
    said = []
    for seed in range(12):
        try:
            said.append(str(table.draw(3, seed)[1].counts()["b"]))
        except InputError as problem:
            said.append(str(problem))
    lacking = [line for line in said if "nothing of class 'b' remains" in line]
    assert lacking and set(said) - set(lacking) == {"3"}


@pytest.fixture(scope="module")
def parts(photos):
    return tl.data.from_folder(photos, progress=False).draw(5, seed=1)


def _model(**more):
    return tl.build_classifier(NAME, 2, image_size=32, weights=None, dropout=0.0, **more)


@pytest.mark.parametrize(
    ("recipe", "logits"),
    [("ridge", False), pytest.param("prototypes", True, marks=pytest.mark.slow)],
)
def test_fit_computes_the_head_into_a_plain_dense(parts, tmp_path, recipe, logits):
    drawn, rest = parts
    keras.utils.set_random_seed(0)
    model = _model(logits=logits)
    base = find_backbone(model).name
    body = [keras.ops.convert_to_numpy(v) for v in model.get_layer(base).variables]
    run = tl.fit(model, drawn, rest, recipe=recipe, verbose=False)
    features = [extract_features(model, batches_of(part, batch_size=8, image_size=32), "", False)
                for part in (drawn, rest)]  # fmt: skip
    head = closed_form_head(*features[0], 2, recipe)
    said = head.probabilities(features[1][0])
    right = (said.argmax(1) == rest.labels).mean()
    assert run.metrics["accuracy"]["value"] == pytest.approx(right)
    for before, now in zip(body, model.get_layer(base).variables, strict=True):
        np.testing.assert_array_equal(before, now)
    (row,) = run.history
    assert row["stage"] == recipe and row["val_accuracy"] == pytest.approx(right)
    assert row["left_out_accuracy"] == pytest.approx(head.left_out)
    assert run.metrics["calibration"]["before"]["log_loss"]["value"] == pytest.approx(
        row["val_loss"], rel=1e-3
    )
    # Nothing of ours is in the file: what predicts is a Dense behind the base.
    folder = run.save(tmp_path / "run")
    layer = keras.saving.load_model(folder / "model.keras").get_layer("predictions")
    assert type(layer) is keras.layers.Dense
    np.testing.assert_array_equal(layer.kernel, model.get_layer("predictions").kernel)
    opened = tl.load(folder).evaluate(rest)
    assert opened["confusion_matrix"] == run.metrics["confusion_matrix"]


@pytest.mark.slow
def test_a_computed_head_is_where_training_goes_on(parts):
    drawn, rest = parts
    stages = [tl.Stage("start", 1, solver="ridge"), tl.Stage("head", 2, learning_rate=1e-4)]
    run = tl.fit(_model(), drawn, rest, recipe=stages, verbose=False)
    assert [row["stage"] for row in run.history] == ["start", "head", "head"]
    assert run.history[1]["loss"] < np.log(2) and run.history[0]["loss"] < np.log(2)


def test_a_model_whose_head_cannot_be_computed_is_refused(parts):
    drawn, rest = parts
    with pytest.raises(InputError, match="build it without hidden layers"):
        tl.fit(_model(hidden=(8,)), drawn, rest, recipe="ridge")
    tagger = tl.build_tagger(NAME, 2, image_size=32, weights=None)
    tags = np.eye(2, dtype="int8")[drawn.labels]
    tagged = dataclasses.replace(drawn, tags=tags, tag_names=("a", "b"))
    with pytest.raises(InputError, match="--task tag has not"):
        tl.fit(tagger, tagged, recipe="prototypes")


def test_train_with_shots_measures_on_the_rest_and_over_draws(photos, tmp_path, capfd):
    out = tmp_path / "five"
    asked = ["train", str(photos), "--shots", "5", "--backbone", NAME, "--weights", "none"]
    assert main([*asked, "--image-size", "32", "--output", str(out), "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["recipe"] == "ridge" and "of each class is computed" in said["reason"]
    assert said["metrics"]["examples"] == 30
    found = said["few_shot"]
    assert found["shots"] == 5 and set(found["accuracy"]) == {"ridge", "prototypes"}
    for figure in found["accuracy"].values():
        assert len(figure["values"]) == found["draws"] == 20 and figure["sd"] > 0
        assert figure["low"] < figure["value"] == pytest.approx(np.mean(figure["values"]))
    # The model is that of the first draw.
    accuracy = said["metrics"]["accuracy"]["value"]
    assert found["accuracy"]["ridge"]["values"][0] == pytest.approx(accuracy)
    kept = json.loads((out / "model.json").read_text())
    assert kept["evaluated_on"] == "30 validation images, which chose nothing"
    assert kept["train_counts"] == {"rings": 5, "stripes": 5} and kept["few_shot"] == found
    assert "Mean of 20 draws of 5 a class, prototypes" in (out / "report.html").read_text()
    assert main(["evaluate", str(out), str(photos)]) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--shots", "0"], "--shots is 1 or more"),
        (["--shots", "5", "--task", "tag"], "for --task classify; leave it out for --task tag"),
        (["--shots", "5", "--folds", "3"], "leave --folds out"),
        (["--shots", "5", "--val-fraction", "0.5"], "leave --val-fraction out"),
        (["--shots", "20"], "has 20 distinct images, 19 that can be drawn with one image left"),
    ],
)
def test_shots_that_cannot_be_had(photos, tmp_path, capsys, wrong, said):
    asked = ["train", str(photos), "--backbone", NAME, "--weights", "none"]
    assert main([*asked, *wrong, "--output", str(tmp_path / "out")]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line and line.startswith("tl-keras: ") and not (tmp_path / "out").exists()


def test_a_validation_part_is_measured_on_and_the_rest_is_not():
    table = _table([0, 1] * 12)
    splits = ("train",) * 12 + ("val",) * 6 + ("test",) * 6
    brought = dataclasses.replace(table, splits=splits)
    drawn, val, test = shot_parts(brought, 6, seed=0)
    assert sorted(drawn.digests) == sorted(brought.part("train").digests)
    assert val.digests == brought.part("val").digests and len(test) == 6
    features = np.eye(2)[table.labels]
    held_out = features[12:18], 1 - table.labels[12:18]
    found = accuracy_over_draws(features[:12], brought.part("train"), 3, held_out=held_out)
    assert found["ridge"]["value"] == 0.0  # measured on what was said, labels turned round
    assert accuracy_over_draws(features, table, 3, draws=1)["ridge"]["low"] is None


def test_settings_of_training_are_refused_where_nothing_is_trained(parts):
    with pytest.raises(InputError, match="trains nothing, so loss would have no effect"):
        tl.fit(_model(), *parts, recipe="ridge", loss="focal")
