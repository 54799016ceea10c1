"""Embedders through ``tl.fit``, the artefact and the commands: what they find, not how."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from tiny_backbone import NAME

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.data.sample_examples import sample_examples
from tl_keras.errors import InputError
from tl_keras.tasks.embedding_objective import EMBEDDING_LOSSES
from tl_keras.tasks.registry import get_task
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.judging import judge

TASK = get_task("embed")
HEAD = [tl.Stage("head", epochs=15, learning_rate=5e-3)]


@pytest.fixture(scope="module")
def parts():
    """Training images, and others of the same classes."""
    return sample_examples().split(0.4, seed=0)


@pytest.fixture(scope="module")
def cache():
    """Features of the frozen base, computed once for all losses."""
    return FeatureCache()


def embedder(dimension=32, seed=0, backbone="mobilenet_v3_small", weights="bundled"):
    keras.utils.set_random_seed(seed)
    return tl.build_embedder(backbone, dimension, image_size=64, weights=weights)


def figure(model, examples):
    return TASK.figure(*judge(TASK, model, examples.dataset(32, 64), "judging"))


@pytest.fixture(scope="module")
def untrained(parts):
    return figure(embedder(None), parts[1])


@pytest.mark.parametrize("loss", list(EMBEDDING_LOSSES))
def test_every_loss_brings_classes_together(parts, cache, untrained, loss):
    model = embedder()
    run = tl.fit(model, *parts, recipe=HEAD, loss=loss, features=cache, verbose=False)
    assert run.recipe.loss == loss and run.task is TASK
    reached = run.metrics["retrieval"]["mean_average_precision"]["value"]
    assert reached > untrained + 0.05
    # The model given is the one that was trained, and it finds what the run says it finds.
    assert run.model is model
    assert figure(model, parts[1]) == pytest.approx(reached, abs=0.005)
    assert run.best["val_mean_average_precision"] == max(
        row["val_mean_average_precision"] for row in run.history
    )
    assert "val_loss" not in run.history[0]


def test_labels_that_say_nothing_teach_nothing(parts, cache, untrained):
    train, val = parts
    mixed = np.random.default_rng(0).permutation(train.labels)
    run = tl.fit(
        embedder(), replace(train, labels=mixed), val, recipe=HEAD, features=cache, verbose=False
    )
    reached = run.metrics["retrieval"]["mean_average_precision"]["value"]
    assert reached < untrained + 0.02


@pytest.fixture(scope="module")
def apart():
    """Training images of five classes, and others of three, by names of their own."""
    examples = sample_examples()
    sides = []
    for chosen in (range(5), range(5, 8)):
        rows = np.flatnonzero(np.isin(examples.labels, chosen))[:120]
        side = examples.subset(rows)
        names = tuple(examples.class_names[number] for number in chosen)
        sides.append(replace(side, labels=side.labels - chosen[0], class_names=names))
    return sides


@pytest.fixture(scope="module")
def run(apart):
    """Trained to the base itself, and judged on classes that it never saw."""
    stages = [*HEAD, tl.Stage("top", epochs=1, unfreeze=1, learning_rate=1e-4)]
    return tl.fit(embedder(), *apart, recipe=stages, verbose=False)


def test_classes_of_validation_may_be_others(run, apart):
    train, val = apart
    assert run.names == train.class_names
    named = {row["name"] for row in run.metrics["retrieval"]["by_category"]}
    assert named == set(val.class_names)
    assert run.evaluate(val) == TASK.measure(
        *judge(TASK, run.final, val.dataset(32, 64), "again"), val.class_names, run.settings
    )
    assert {row["stage"] for row in run.history} == {"head", "top"}
    reached = run.metrics["retrieval"]["mean_average_precision"]["value"]
    assert reached > 1.2 * run.metrics["chance"]


def test_the_threshold_is_that_of_the_stated_rate(run, apart):
    vectors, labels = (
        np.asarray(side) for side in judge(TASK, run.final, apart[1].dataset(32, 64), "again")[::-1]
    )
    cosines = vectors @ vectors.T
    unlike = labels[:, None] != labels[None]
    settings = run.settings
    assert settings["false_accept_rate"] == 0.01
    assert (cosines[unlike] >= settings["threshold"]).mean() <= 0.0101
    assert (cosines[unlike] >= settings["threshold"] - 0.02).mean() > 0.01


def test_the_artefact_gives_the_vectors_of_the_run(run, apart, tmp_path):
    saved = tl.load(run.save(tmp_path / "run"))
    paths = [str(path) for path in apart[1].paths[:5]]
    answers = saved.predict(paths)
    vectors = np.array([answer.vector for answer in answers])
    assert vectors.shape == (5, 32) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    said = judge(TASK, run.final, apart[1].subset(range(5)).dataset(32, 64), "again")[1]
    assert np.allclose(vectors, said, atol=1e-5)
    assert saved.names == run.names and saved.settings == run.settings
    seen = saved.predict(paths[:1], tta="standard")[0].vector
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-5)
    assert 0.5 < np.dot(seen, vectors[0]) < 0.99999
    again = saved.evaluate(apart[1])
    assert again["retrieval"]["by_category"][0]["name"] in apart[1].class_names
    assert again["verification"]["at_threshold"]["threshold"] == run.settings["threshold"]
    page = (tmp_path / "run" / "report.html").read_text()
    for title in ("Search, class by class", "Are two images of one class", "What images find"):
        assert title in page


def test_the_commands(photos, tmp_path, capsys):
    recipe = tmp_path / "short.toml"
    recipe.write_text('[[stages]]\nname = "head"\nepochs = 2\n')
    out = str(tmp_path / "out")
    small = ["--image-size", "32", "--recipe", str(recipe)]
    wanted = ["train", str(photos), "--task", "embed", "--loss", "triplet", "--output", out, *small]
    assert main(wanted) == 0
    said = json.loads((tmp_path / "out" / "model.json").read_text())
    assert f"Next: tl-keras index CATALOGUE --model {out}" in capsys.readouterr().out
    assert (said["task"], said["recipe"]["loss"]) == ("embed", "triplet")
    capsys.readouterr()
    image = str(photos / "rings" / "00.png")
    assert main(["predict", out, image, "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["predictions"]
    assert len(answer["vector"]) == 256
    assert main(["predict", out, image]) == 0
    assert "256 numbers" in capsys.readouterr().out
    assert main(["evaluate", out, str(photos)]) == 0
    printed = capsys.readouterr().out
    assert "precision at 1" in printed and "equal error rate" in printed and "rings" in printed
    assert main(["train", str(photos), "--task", "classify", "--loss", "triplet"]) == 2
    assert "--loss triplet is none of --task classify" in capsys.readouterr().err
    assert main(["train", str(photos), "--task", "embed", "--loss", "focal"]) == 2
    assert "it has arcface" in capsys.readouterr().err


def test_arrays_and_batches_of_few_classes():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (12, 64, 64, 3)).astype("float32")
    labels = np.arange(12) % 3
    model = embedder(8, backbone=NAME, weights=None)
    run = tl.fit(
        model, (images, labels), (images, labels), batch_size=4, loss="supervised_contrastive",
        recipe=[tl.Stage("all", 2, unfreeze="all")], verbose=False,
    )  # fmt: skip
    assert run.names == ("0", "1", "2") and len(run.history) == 2
    assert all(np.isfinite(row["loss"]) for row in run.history)


def test_what_cannot_be_learned_from_is_said(parts):
    train, _ = parts
    model = embedder(8, backbone=NAME, weights=None)
    bare = replace(train, labels=np.where(np.arange(len(train)) < 3, -1, train.labels))
    with pytest.raises(InputError, match=r"3 of \d+ images .* have no class"):
        tl.fit(model, bare)
    one = train.subset(np.flatnonzero(train.labels == 0))
    with pytest.raises(InputError, match=r"of 1 classes; likeness is learned"):
        tl.fit(model, one)
    with pytest.raises(InputError, match="draws classes in its own way"):
        tl.fit(model, train, recipe=tl.Recipe("r", tuple(HEAD), balance="balanced"))
    with pytest.raises(InputError, match="knows neither class weights"):
        tl.fit(model, train, recipe=tl.Recipe("r", tuple(HEAD), class_weights="balanced"))
    with pytest.raises(InputError, match="knows no loss 'focal'"):
        tl.fit(model, train, recipe=HEAD, loss="focal")
    with pytest.raises(InputError, match="without a projection has nothing there"):
        tl.fit(embedder(None, backbone=NAME, weights=None), train, recipe=HEAD, loss="triplet")
    with pytest.raises(InputError, match="cannot hold two images each"):
        tl.fit(model, train, recipe=[tl.Stage("all", 1, unfreeze="all")], batch_size=3)


def test_a_product_with_one_picture_is_trained_on(parts):
    examples = replace(parts[0], tags=None, tag_names=())
    rows = [*range(60), *[int(np.flatnonzero(examples.labels == 7)[0])]]
    with pytest.raises(InputError, match="cannot stand on both sides"):
        examples.subset(rows).split(0.25)
    train, val = examples.subset(rows).split(0.25, singles=True)
    assert len(train) + len(val) == len(rows) and not set(train.paths) & set(val.paths)
    assert (train.labels == 7).sum() == 1 and (val.labels == 7).sum() == 0
    counts = np.bincount(examples.labels[rows[:60]])
    assert (np.bincount(val.labels) == np.round(counts * 0.25)).all()
    alone = [int(np.flatnonzero(examples.labels == label)[0]) for label in range(4)]
    with pytest.raises(InputError, match="has two distinct images, so there is nothing"):
        examples.subset(alone).split(0.25, singles=True)


def test_people_stand_on_one_side_where_groups_say_so(parts):
    people = tuple(str(label) for label in parts[0].labels)
    examples = replace(parts[0], groups=people)
    with pytest.raises(InputError, match="both sides"):
        examples.split(0.3)
    train, val = examples.split(0.3, singles=True)
    assert not set(train.labels.tolist()) & set(val.labels.tolist())
    assert len(set(val.labels.tolist())) >= 2
