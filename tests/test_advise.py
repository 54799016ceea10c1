"""advise: what is measured of images and bases, the choice that follows, its words and its time."""

import json
import shlex
import subprocess
import sys
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
import tiny_backbone
from PIL import Image
from tiny_home import keras_home

import tl_keras as tl
from tl_keras.backbones import registry
from tl_keras.backbones.published import _TOP1, published_top1
from tl_keras.backbones.record import Backbone
from tl_keras.backbones.registry import find_backbone, get_backbone, list_backbones
from tl_keras.backbones.table import backbone_table
from tl_keras.cli.main import main
from tl_keras.data.boxes import Boxes
from tl_keras.data.decoding import load_image
from tl_keras.data.examples import Examples
from tl_keras.data.sample_examples import sample_examples
from tl_keras.errors import InputError
from tl_keras.selection.advising import _pace_of
from tl_keras.selection.base_choice import choose_base
from tl_keras.selection.closeness import FAR, NEAR, closeness_word, distance_from_pretraining
from tl_keras.selection.data_profile import profile
from tl_keras.selection.limits import Limits, absent_bases
from tl_keras.selection.ranking import Ranked, Ranking
from tl_keras.selection.recipe_choice import choose_by_measures
from tl_keras.selection.training_time import Pace, TrainingTime, training_time
from tl_keras.training.recipes import RECIPES

TINY, TINIER = "tiny_advised@64", "tiny_advised@32"
BRIEF = TrainingTime(1.0, 2.0, 3.0, 4.0, "timed")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A Keras cache with weights (random ones) of a tiny base for two image sizes."""
    home = tmp_path_factory.mktemp("keras")
    with keras_home(home, "tiny_advised", (32, 64)):
        yield home


@pytest.fixture(scope="module")
def asked(home, photos, tmp_path_factory):
    """(advice on the two sizes of the tiny base, folder of its features)."""
    features = tmp_path_factory.mktemp("features")
    examples = tl.data.from_folder(photos, progress=False)
    return tl.advise(examples, [TINY, TINIER], cache=features, verbose=False), features


def _images(folder, sides, colour=True):
    rng = np.random.default_rng(0)
    paths = []
    for number, (height, width) in enumerate(sides):
        pixels = rng.integers(0, 256, (height, width, 3 if colour else 1), "uint8")
        path = folder / f"{number}.png"
        Image.fromarray(pixels if colour else pixels[..., 0]).save(path)
        paths.append(str(path))
    return tuple(paths)


def _table(paths, labels, names, **columns):
    count = len(paths)
    digests = columns.pop("digests", tuple(map(str, range(count))))
    splits = columns.pop("splits", (None,) * count)
    return Examples(tuple(paths), np.array(labels), names, digests, splits, **columns)


def test_distance_is_that_of_normal_distributions():
    """0 where the layers hold the statistics of these very images; known where they are moved."""
    keras.utils.set_random_seed(0)
    model = tl.build_classifier(tiny_backbone.NAME, 2, image_size=32, weights=None)
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), "uint8")
    base = find_backbone(model)
    norms = [one for one in base.layers if isinstance(one, keras.layers.BatchNormalization)]
    for norm in norms:
        inputs = keras.Model(base.input, norm.input)(images / np.float32(127.5) - 1)
        values = keras.ops.convert_to_numpy(inputs).reshape(-1, inputs.shape[-1])
        norm.moving_mean.assign(values.mean(axis=0))
        norm.moving_variance.assign(values.var(axis=0))
    assert distance_from_pretraining(model, images) == pytest.approx(0, abs=1e-5)
    last = norms[-1]
    spread = np.sqrt(keras.ops.convert_to_numpy(last.moving_variance) + last.epsilon)
    last.moving_mean.assign(last.moving_mean + 2 * spread)
    moved = (1 - np.exp(-(2**2) / 8)) / len(norms)
    assert distance_from_pretraining(model, images) == pytest.approx(moved, abs=1e-4)
    last.moving_mean.assign(last.moving_mean - 2 * spread)
    last.moving_variance.assign(9 * spread**2 - last.epsilon)
    wider = (1 - np.sqrt(2 * 3 / (1 + 9))) / len(norms)
    assert distance_from_pretraining(model, images) == pytest.approx(wider, abs=1e-4)


def test_a_base_without_norms_has_no_distance(monkeypatch):
    def plain(input_shape):
        image = keras.Input(input_shape)
        return keras.Model(image, keras.layers.Conv2D(4, 3, 2)(image))

    record = Backbone("tiny_plain", plain, image_size=32, preprocessing="tf")
    monkeypatch.setitem(registry._RECORDS, record.name, record)
    model = tl.build_classifier("tiny_plain", 2, weights=None)
    assert distance_from_pretraining(model, np.zeros((2, 32, 32, 3), "uint8")) is None


def test_drawn_things_are_nearer_to_the_pretraining_than_noise():
    model = tl.build_classifier("mobilenet_v3_small", 2, image_size=64, weights="bundled")
    paths = sample_examples().paths[:32]
    noise = np.random.default_rng(0).integers(0, 256, (32, 64, 64, 3), "uint8")
    drawn = distance_from_pretraining(model, np.stack([load_image(path, 64) for path in paths]))
    assert drawn < 0.6 * distance_from_pretraining(model, noise) < 0.6


def test_words_for_distances():
    assert [closeness_word(x) for x in (0, NEAR, FAR, 0.2)] == [
        "near to", "some way off", "some way off", "far from",
    ]  # fmt: skip


def test_a_profile_counts_classes_sizes_copies_and_colour(tmp_path):
    sides = [(100, 200)] * 6 + [(50, 50)] * 2
    table = _table(
        _images(tmp_path, sides), [0, 0, 0, 0, 0, 0, 2, 2], ("a", "b", "c"), sizes=sides,
        digests=("x", "x", *"123456"),
    )  # fmt: skip
    found = profile(table)
    assert found.counts == {"a": 6, "c": 2}
    assert (found.smallest, found.median, found.imbalance) == (2, 4.0, 3.0)
    assert found.sides == (50, 100, 100) and found.cropped == pytest.approx(6 / 8 * 0.5)
    assert found.detail_lost(50) == pytest.approx(6 / 8 * 0.75) and found.detail_lost(100) == 0
    assert (found.enlarged(50), found.enlarged(64), found.enlarged(101)) == (0, 0.25, 1)
    assert (found.copies, found.grey) == (1, 0)
    assert len(found.notes) == 2 and "'c' has 2" in found.notes[1]
    json.dumps(found.as_dict([50]), allow_nan=False)
    grey = _table(_images(tmp_path, [(40, 40)], colour=False), [0], ("a",), sizes=[(40, 40)])
    assert profile(grey).grey == 1


def test_limits_of_a_base():
    small, large, ours = (
        get_backbone(name) for name in ("mobilenet_025", "resnet50", tiny_backbone.NAME)
    )
    assert Limits().broken_by(large) is None and Limits(1, 1, 1).broken_by(ours) is None
    assert "23,587,712 parameters, more than 1,000,000" in Limits(1e6).broken_by(large)
    assert "94.4 MB, more than 90" in Limits(megabytes=90).broken_by(large)
    assert Limits(megabytes=95, parameters=2.4e7).broken_by(large) is None
    assert "phone" in Limits(device="phone").broken_by(large)
    assert "2 parameters, more than 1" in Limits(1).broken_by(ours, parameters=2)
    assert Limits(milliseconds=5).broken_by(small, milliseconds=4.9) is None
    assert "5.1 ms for an image" in Limits(milliseconds=5).broken_by(small, milliseconds=5.1)
    assert Limits(1e6, device="phone").broken_by(small) is None
    for wrong in ({"parameters": 0}, {"megabytes": -1}, {"milliseconds": float("nan")}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Limits(**wrong)
    with pytest.raises(InputError, match="'tpu' is unknown; give one of cpu, gpu, phone"):
        Limits(device="tpu")


def test_bases_that_are_not_here_are_named_by_what_was_published():
    found = absent_bases(Limits(parameters=6e6), ["efficientnet_v2_b0"], 2.0, 100)
    names = [one.backbone for one in found]
    assert names[:2] == ["efficientnet_b0", "mobilenet_v3_large"]
    assert [one.top1 for one in found] == sorted((one.top1 for one in found), reverse=True)
    quick = absent_bases(Limits(milliseconds=20), [], 2.0, 1e9)
    assert quick and all(one.milliseconds <= 20 for one in quick)
    near = absent_bases(Limits(), [], 2.0, 10)
    assert near and all(one.milliseconds <= 40 for one in near)
    assert absent_bases(Limits(), [], None, 10) == []


def test_the_pace_of_the_machine_is_that_of_the_middle_base():
    """A base of 112 px has a quarter of the registry's 224; one that is not listed says nothing."""
    listed = {row["name"]: row for row in backbone_table()}
    names = ("mobilenet_v2", "resnet50", "mobilenet_025")
    assert {listed[name]["image_size"] for name in names} == {224}
    rows = [
        replace(row, milliseconds=times * listed[row.backbone]["latency_ms"])
        for row, times in zip(
            _ranking(*((name, "imagenet", 0.9, 9, 9) for name in names)).rows, (2.0, 3.0, 7.0),
            strict=True,
        )
    ]  # fmt: skip
    ranking = _ranking(("tiny", "imagenet", 0.9, 9, 9))
    assert _pace_of(ranking) is None
    assert _pace_of(replace(ranking, rows=(*rows, *ranking.rows))) == pytest.approx(3)
    halves = tuple(replace(row, image_size=112) for row in rows)
    assert _pace_of(replace(ranking, rows=halves)) == pytest.approx(12)


def test_published_figures_are_of_bases_that_there_are():
    assert set(_TOP1) <= set(list_backbones(weights="imagenet"))
    assert all(60 < value < 90 for value in _TOP1.values())
    assert published_top1("mobilenet_025") is None


@pytest.mark.parametrize(
    ("smallest", "images", "probe", "weights", "minutes", "expected", "said", "change"),
    [
        (19, 900, 0.5, "imagenet", 30, "ridge", "has 19 images to train", "20 images or more"),
        (20, 900, 0.93, "imagenet", 30, "feature_extraction", "93 % or more", "less than 93 %"),
        (20, 499, 0.92, "imagenet", 30, "feature_extraction", "499 images", "500 images or more"),
        (20, 500, 0.92, "imagenet", 30, "fine_tune", "92 % rightly, less than", "under 0.2"),
        (20, 499, 0.92, "bundled", 30, "fine_tune", "bundled weights", "--minutes were under"),
        (20, 500, 0.92, "imagenet", 0.1, "feature_extraction", "more than 0.1", "--minutes 1 "),
    ],
)
def test_the_choice_of_the_recipe(
    smallest, images, probe, weights, minutes, expected, said, change
):
    choice = choose_by_measures(smallest, images, probe, weights, minutes, lambda recipe: BRIEF)
    assert choice.recipe.name == expected and choice.time is BRIEF
    assert choice.recipe.stages == RECIPES[expected].stages
    assert said in choice.recipe.reason and change in choice.change


def _ranking(*rows):
    made = [
        Ranked(
            name, weights, 224, log_me=-number / 10, h_score=1, probe=probe, nearest=0.5,
            features=8, parameters=parameters, megabytes=1, milliseconds=9, images_per_second=speed,
            seconds=1, cached=False,
        )
        for number, (name, weights, probe, parameters, speed) in enumerate(rows)
    ]  # fmt: skip
    return Ranking(tuple(made), 200, 200, 2, 0.5)


@pytest.mark.parametrize(
    ("rows", "expected", "said"),
    [
        # One standard error of 0.90 against 0.85 at 200 images is 3.3 points.
        ([("mobilenet_025", "imagenet", 0.90, 9, 9), ("mobilenet_v2", "imagenet", 0.87, 9, 9)],
         1, "no more than chance (3.0 points of the probe, standard error 3.2)"),
        ([("mobilenet_025", "imagenet", 0.90, 9, 9), ("mobilenet_v2", "imagenet", 0.85, 9, 9)],
         0, "number 1 of 2 by LogME"),
        # Better known, or larger where nothing was published; never weights of less pretraining.
        ([("mobilenet_v2", "imagenet", 0.90, 9, 9), ("mobilenet_025", "imagenet", 0.9, 99, 9)],
         0, "number 1 of 2"),
        ([("mobilenet_025", "imagenet", 0.90, 9, 9), ("mobilenet_050", "imagenet", 0.9, 10, 9)],
         1, "number 2 of 2"),
        ([("mobilenet_025", "imagenet", 0.9, 9, 9), ("mobilenet_v3_small", "bundled", 0.9, 99, 9)],
         0, "number 1 of 2"),
        ([("vgg16", "imagenet", 0.99, 9, 1), ("mobilenet_v2", "imagenet", 0.8, 9, 9)],
         1, "1 before it would take too long"),
        ([("vgg16", "imagenet", 0.99, 9, 0.1), ("mobilenet_v2", "imagenet", 0.8, 9, 0.2)],
         1, "even its features take longer"),
    ],
)  # fmt: skip
def test_the_choice_of_the_base(rows, expected, said):
    ranking = _ranking(*rows)
    choice = choose_base(ranking, 400, 1.0)
    assert choice.row is ranking.rows[expected] and said in choice.reason


def test_time_is_the_sum_of_what_is_done():
    pace = Pace(1.0, 0.01, 0.002, 0.003, 0.05, 7.0, True)
    head = training_time(RECIPES["feature_extraction"], pace, 320, 80)
    assert head.features == pytest.approx(400 * 0.012)
    assert head.head == pytest.approx((11 + 60) / 2 * 0.003)
    assert head.base == 0 and "head" in head.how
    whole = training_time(RECIPES["fine_tune"], pace, 320, 80)
    assert whole.base == pytest.approx((6 + 12) / 2 * (320 * 0.052 + 80 * 0.012) + 7)
    assert whole.seconds == whole.features + whole.head + whole.base + whole.rest
    assert (whole.features, whole.head) == (head.features, head.head)
    half = training_time(RECIPES["progressive"], pace, 320, 80)
    assert half.base == pytest.approx(6 * (320 * 0.032 + 0.96) + 7 * (320 * 0.052 + 0.96) + 14)
    ridge = training_time(RECIPES["ridge"], pace, 320, 80)
    assert (ridge.head, ridge.base) == (0, 0)
    guessed = training_time(RECIPES["fine_tune"], replace(pace, measured=False), 320, 80)
    assert "is taken for 4" in guessed.how


def test_advice_is_what_was_measured(asked):
    advice, _ = asked
    assert advice.best in advice.ranking.rows and len(advice.ranking.rows) == 2
    assert advice.best.milliseconds > 0 and 0 < advice.distance < 1
    # Twenty images of each class, of which a fifth validates.
    assert advice.recipe.name == "ridge"
    assert "has 16 images to train on" in advice.recipe.reason
    assert advice.time.seconds > 0 and advice.profile.counts == {"rings": 20, "stripes": 20}
    assert "tiny_advised" not in [one.backbone for one in advice.absent]
    stored = json.loads(json.dumps(advice.as_dict(), allow_nan=False))
    assert (stored["recipe"], stored["image_size"]) == ("ridge", advice.best.image_size)
    assert stored["seconds"] == pytest.approx(advice.time.seconds)


def test_advice_in_words(asked):
    advice, _ = asked
    text = advice.text()
    size, recipe = advice.best.image_size, advice.recipe.name
    assert f"Take tiny_advised (imagenet weights) at {size} px with --recipe {recipe}" in text
    for word in ("40 of 2 classes (rings 20, stripes 20)", "runner-up: tiny_advised@",
                 "shorter side 72 px", "time here: about"):  # fmt: skip
        assert word in text
    assert "download" not in text  # How fast others are cannot be told from a base of our own.
    absent = replace(advice, absent=tuple(absent_bases(Limits(), [], 2.0, 6))).text()
    assert "would need a download" in absent and "published ImageNet top-1" in absent
    assert "Mind" not in replace(advice, profile=replace(advice.profile, grey=0.0)).text()
    uneven = replace(advice.profile, counts={"rings": 100, "stripes": 20}, copies=3, grey=1.0)
    minded = replace(advice, profile=uneven).text().partition("Mind")[2]
    assert "5.0 times the smallest" in minded and "3 images are copies" in minded
    assert "grey" in minded
    blind = replace(advice, distance=None).text()
    assert "has no BatchNorm" in blind


def test_the_command_is_one_that_train_takes(asked):
    from tl_keras.cli.main import parser

    words = shlex.split(asked[0].command("my photos/it's", "--label", "kind"))
    options = parser("train").parse_args(words[1:])
    assert options.data == "my photos/it's" and options.label == "kind"
    assert (options.backbone, options.weights) == ("tiny_advised", "imagenet")
    assert options.image_size == asked[0].best.image_size
    padded = shlex.split(replace(asked[0], resize="pad").command("photos"))
    assert parser("train").parse_args(padded[1:]).resize == "pad"


def test_limits_leave_bases_out(asked, photos):
    examples = tl.data.from_folder(photos, progress=False)
    with pytest.raises(InputError, match="MB, more than"):
        tl.advise(examples, [TINY], max_megabytes=0.001)
    with pytest.raises(InputError, match="ms for an image here, more than 1e-06"):
        tl.advise(examples, [TINY], max_milliseconds=1e-6, verbose=False)
    with pytest.raises(InputError, match="no GPU"):
        tl.advise(examples, [TINY], max_milliseconds=5, device="gpu")
    with pytest.raises(InputError, match="above 0"):
        tl.advise(examples, [TINY], minutes=0)


def test_images_without_a_class_are_for_another_command():
    boxes = [Boxes.of([(0, 0, 5, 5)], [0])]
    table = _table(["a.png"], [-1], ("cat",), boxes=boxes, sizes=[(10, 10)])
    with pytest.raises(InputError, match="bring boxes and no class of their own"):
        tl.advise(table)


def test_the_command(asked, photos, capsys):
    arguments = ["advise", str(photos), "--backbones", TINY, TINIER]
    arguments += ["--feature-cache", str(asked[1]), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    advice = asked[0]
    assert (told["backbone"], told["recipe"]) == ("tiny_advised", advice.recipe.name)
    assert told["image_size"] == advice.best.image_size
    assert all(row["cached"] for row in told["ranking"]["rows"])
    assert told["command"].startswith(f"tl-keras train {photos} --backbone tiny_advised")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere/"], "nowhere"),
        (["PHOTOS", "--backbones", "mobilenet_v9"], "unknown backbone"),
        (["PHOTOS", "--max-parameters", "-1"], "limit of -1.0 parameters"),
        (["PHOTOS", "--minutes", "nan"], "above 0"),
        (["PHOTOS/rings"], "no class folders"),
    ],
)
def test_wrong_input_is_one_line(photos, capsys, arguments, message):
    given = [word.replace("PHOTOS", str(photos)) for word in arguments]
    assert main(["advise", *given]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("tl-keras: ") and message in said[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_025"])
def test_real_sets_are_as_far_from_photographs_as_they_look(name, shared_data, imagenet_home):
    """Animals, then products on white, then scans, then metal surfaces, then noise."""
    sys.path.insert(0, "benchmarks")
    from real_sets import load_whole

    weights = "bundled" if name == "mobilenet_v3_small" else "imagenet"
    size = 128 if weights == "bundled" else 224
    model = tl.build_classifier(name, 2, image_size=size, weights=weights)
    rng = np.random.default_rng(0)

    def distance(of):
        paths = load_whole(of).paths
        some = rng.permutation(len(paths))[:128]
        return distance_from_pretraining(
            model, np.stack([load_image(paths[i], size) for i in some])
        )

    animals = max(distance("hymenoptera"), distance("pets"))
    rest = [distance(of) for of in ("fashion", "brain-mri", "magnetic-tile")]
    noise = distance_from_pretraining(model, rng.integers(0, 256, (64, size, size, 3), "uint8"))
    assert animals < NEAR and rest[-1] > FAR
    assert [animals, *rest, noise] == sorted([animals, *rest, noise])


@pytest.mark.slow
@pytest.mark.parametrize("minutes", ["30", "0.01"])
def test_the_time_is_right_within_a_factor_of_two(minutes, shared_data, tmp_path, capsys):
    data = str(shared_data / "hymenoptera")
    arguments = ["advise", data, "--backbones", "mobilenet_v3_small+bundled", "--minutes", minutes]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    command = [sys.executable, "-m", "tl_keras.cli.main", *shlex.split(told["command"])[1:]]
    began = time.perf_counter()
    subprocess.run([*command, "--output", str(tmp_path / "model")], check=True)
    seconds = time.perf_counter() - began
    assert told["seconds"] / 2 < seconds < told["seconds"] * 2
