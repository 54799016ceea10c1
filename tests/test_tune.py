"""Search over settings: what is searched, that a study goes on, and what it says in the end."""

import csv
import json
import shlex
from typing import ClassVar

import keras
import numpy as np
import pytest
import tiny_backbone

import tl_keras as tl
from tl_keras.builders.head_dropout import dropout_layers, set_dropout
from tl_keras.cli import tune as tune_command
from tl_keras.cli.main import parser
from tl_keras.errors import InputError
from tl_keras.selection import tuning_final
from tl_keras.selection.search_parameters import PARAMETERS, Range
from tl_keras.selection.search_space import check_value, depths_of, search_space
from tl_keras.selection.tuned_recipe import recipe_of, unfreeze_of
from tl_keras.selection.tuning import _importance
from tl_keras.selection.tuning_bases import TuningBase
from tl_keras.selection.tuning_final import compared
from tl_keras.selection.tuning_result import TunedTrial, Tuning
from tl_keras.selection.tuning_sampler import pruner_for
from tl_keras.selection.tuning_storage import shown_url
from tl_keras.selection.tuning_study import TuningStudy, shuffled_grid
from tl_keras.selection.tuning_trial import EpochReports
from tl_keras.tasks.registry import get_task
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.recipe_files import read_recipe
from tl_keras.training.recipes import RECIPES

optuna = pytest.importorskip("optuna", reason="needs Optuna: pip install 'tl-keras[tune]'")
DEFAULTS = {"unfreeze": "0", "base": "x@64"}


@pytest.mark.parametrize("name", ["feature_extraction", "fine_tune", "progressive"])
def test_the_defaults_are_the_recipes_of_that_name(name):
    unfreeze = unfreeze_of(RECIPES[name])
    recipe = recipe_of(search_space(None, {**DEFAULTS, "unfreeze": unfreeze}).defaults)
    assert recipe.stages == RECIPES[name].stages
    for field in ("bottom_rate", "weight_decay", "label_smoothing", "dropout", "loss"):
        assert getattr(recipe, field) == getattr(RECIPES[name], field)


def test_what_is_searched_is_read():
    words = ["learning_rate=1e-4..1e-2", "dropout=0,0.5", "unfreeze=0,3,0.5+all", "head"]
    space = search_space(words, DEFAULTS)
    assert space.searched == {
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "dropout": (0.0, 0.5),
        "unfreeze": ("0", "3", "0.5+all"),
        "head": ("plain", "wide"),
    }
    assert depths_of(space) == {3, 0.5, "all"}
    assert space.trains_base
    assert not search_space(["dropout"], DEFAULTS).trains_base
    everything = search_space(None, DEFAULTS)
    assert set(everything.searched) == set(PARAMETERS) - {"base"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("learning_rates", "did you mean learning_rate"),
        ("colour", "there are unfreeze, learning_rate"),
        ("learning_rate=0..1", "a lower to a higher number above 0"),
        ("learning_rate=1..0.1", "a lower to a higher"),
        ("learning_rate=fast", "'fast' is no number"),
        ("learning_rate=nan..1", "'nan' is no number"),
        ("learning_rate=-1,1", "learning_rate is above 0"),
        ("dropout=0..1", r"dropout is in \[0, 1\)"),
        ("bottom_rate=0.1,2", r"bottom_rate is in \(0, 1\]"),
        ("head=wide,deep", "head=deep is none to classify"),
        ("head=plain..wide", "head has no range"),
        ("augment=none,lihgt", "lihgt"),
        ("unfreeze=0,some", "unfreeze=some cannot be read"),
        ("unfreeze=2.5", "cannot be read"),
        ("unfreeze=0+all", "cannot be read"),
        ("dropout=", "names no value"),
        ("base=nothing", "nothing"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(word, message):
    with pytest.raises(InputError, match=message) as caught:
        search_space([word], DEFAULTS)
    assert "\n" not in str(caught.value)


def test_nothing_and_twice_are_refused():
    for words, message in (([], "give a list"), (["head", "head=wide"], "searched twice")):
        with pytest.raises(InputError, match=message):
            search_space(words, DEFAULTS)


def test_every_usual_value_can_be_had():
    settings = search_space(None, DEFAULTS).defaults
    for name, one in PARAMETERS.items():
        for value in one.usual or ():
            check_value(name, value, settings)


def test_a_grid_holds_each_point_that_differs_once():
    words = ["unfreeze=0,all", "fine_tune_rate=1e-5..1e-3", "dropout=0,0.5"]
    space = search_space(words, DEFAULTS)
    points = space.grid()
    # Of the frozen base no rate for training it: 2 by dropout, and 3 rates x 2.
    assert len(points) == 8
    assert len({json.dumps(point, sort_keys=True) for point in points}) == 8
    rates = sorted({point["fine_tune_rate"] for point in points if "fine_tune_rate" in point})
    assert rates == pytest.approx([1e-5, 1e-4, 1e-3])
    assert sorted(map(str, shuffled_grid(space, 1))) == sorted(map(str, points))  # 0.2 in none
    assert shuffled_grid(space, 1) != shuffled_grid(space, 2)
    with pytest.raises(InputError, match="points; name fewer"):
        shuffled_grid(search_space(None, DEFAULTS), 0)


def test_a_comparison_is_paired():
    """Two sides that differ in 6 of 100 images, all one way, differ beyond chance; 6 and 4 do not.

    Unpaired, both intervals would be wide."""
    right = np.ones(100, int)
    worse, mixed, other = right.copy(), right.copy(), right.copy()
    worse[:6], mixed[:6], other[6:10] = 0, 0, 0
    found = compared(right, worse, 1)
    assert found["difference"]["value"] == pytest.approx(0.06)
    assert 0 < found["difference"]["low"] < 0.06 < found["difference"]["high"] < 0.15
    assert found["chance"] == pytest.approx(2 * 0.5**6)  # McNemar's exact test
    found = compared(other, mixed, 1)
    assert found["difference"]["value"] == pytest.approx(0.02)
    assert found["difference"]["low"] < 0 < found["difference"]["high"]
    assert found["chance"] > 0.5
    same = compared(right, right, 1)
    assert [same["difference"][key] for key in ("value", "low", "high")] == [0, 0, 0]
    assert compared(right[:3], worse[:3], 1)["difference"]["low"] is None
    thrice = compared(3 * right, 2 * right, 3)
    assert thrice["defaults"]["value"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("lost", "gained", "better", "said"),
    [
        (0, 9, True, "Better than the defaults: +9.0 points"),
        (9, 0, False, "Worse than the defaults: -9.0 points"),
        (3, 5, False, "Not shown to be better"),
        # All five one way: the interval is clear of 0, the exact test (p 0.06) is not.
        (0, 5, False, "Not shown to be better"),
    ],
)
def test_only_what_is_beyond_chance_is_called_better(lost, gained, better, said, tmp_path):
    best, defaults = np.ones(100, int), np.ones(100, int)
    best[:lost], defaults[50 : 50 + gained] = 0, 0
    tuning = Tuning(
        "x", (), search_space(["dropout"], DEFAULTS), TuningBase("x", None, 64, "none"),
        compared(best, defaults, 1), {}, RECIPES["feature_extraction"], {}, tmp_path,
    )  # fmt: skip
    assert tuning.better == better
    assert tuning.verdict.startswith(said)
    assert ("eep the defaults" in tuning.verdict) == (not better)


def test_a_password_is_not_shown(tmp_path):
    assert "secret" not in shown_url("postgresql+psycopg://me:secret@host:5432/db")
    with pytest.raises(InputError, match="cannot be opened") as caught:
        TuningStudy(tmp_path, "nothing://me:secret@host/db", "x")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trial_that_falls_behind_is_ended():
    """Ten trials of nine epochs that are told from each other from the first on."""
    study = optuna.create_study(direction="maximize", pruner=pruner_for(optuna, "halving", False))
    epochs = []

    def objective(trial):
        reports = EpochReports(trial, False, optuna.TrialPruned)
        reports.set_model(keras.Sequential(name="classifier"))
        epochs.append(0)
        for epoch in range(9):
            epochs[-1] += 1
            reports.on_epoch_end(epoch, {"val_accuracy": 0.9 - 0.05 * trial.number})
        return 0.9

    study.optimize(objective, n_trials=6)
    assert epochs[0] == 9
    assert epochs[1:] == [2, 2, 2, 2, 2]
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] + ["PRUNED"] * 5


@pytest.mark.parametrize("head_only", [True, False])
def test_steps_are_epochs_that_cost(head_only):
    trial = optuna.create_study().ask()
    reports = EpochReports(trial, head_only, None)
    reports.set_model(keras.Sequential(name="head"))
    for epoch, accuracy in enumerate((0.5, 0.7, 0.6)):
        reports.on_epoch_end(epoch, {"val_accuracy": accuracy})
    reports.on_train_end()
    told = trial.storage.get_trial(trial._trial_id).intermediate_values
    assert told == ({1: 0.5, 2: 0.7, 3: 0.7} if head_only else {1: 0.7})


def test_dropout_of_a_recipe_is_that_of_the_head():
    wide = get_task("classify").build(
        tiny_backbone.NAME, ("a", "b"), image_size=64, weights=None, head="wide"
    )
    assert [layer.rate for layer in dropout_layers(wide)] == [0.2, 0.2]
    assert wide.get_layer("hidden_1").units == 512
    set_dropout(wide, 0.4)
    assert [layer.rate for layer in dropout_layers(wide)] == [0.4, 0.4]
    bare = tl.build_classifier(tiny_backbone.NAME, 2, image_size=64, weights=None, dropout=0)
    with pytest.raises(InputError, match="build it with a dropout above 0"):
        set_dropout(bare, 0.4)


def test_what_was_found_is_said_by_one_command_that_train_understands(tmp_path):
    """Only where it is better than the defaults is it what the user is told to do next."""
    space = search_space(["head", "dropout"], DEFAULTS)
    settings = {**space.defaults, "head": "wide", "dropout": 0.4}
    trials = tuple(
        TunedTrial(number, "complete", 0.8 + number / 10, 0.3, 9, 1.0, one, defaults=not number)
        for number, one in enumerate((space.defaults, settings))
    )
    base = TuningBase("mobilenet_v2", "/x/weights.h5", 128, "imagenet")
    tuning = Tuning(
        "x", trials, space, base, compared(np.ones(50, int), np.zeros(50, int), 1), {},
        RECIPES["feature_extraction"], {}, tmp_path,
    )  # fmt: skip
    options = ["tune", "my photos", "--seed", "3", "--label", "kind", "--val-fraction", "0.3"]
    options = parser("tune").parse_args([*options, "--classes", "ant", "bee"])
    words = shlex.split(tune_command._command(options, tuning))
    assert words[:3] == ["tl-keras", "train", "my photos"]
    given = parser("train").parse_args(words[1:])
    assert (given.backbone, given.weights, given.image_size) == ("mobilenet_v2", "imagenet", 128)
    assert (given.head, given.seed, given.label) == ("wide", 3, "kind")
    # Parted and read the same way: what the search set aside is not trained on.
    assert (given.val_fraction, given.classes) == (0.3, ["ant", "bee"])
    assert given.recipe == str(tmp_path / "best.toml")
    assert tuning.recipe.dropout == 0.4
    plain = shlex.split(tune_command._plain(options))
    assert plain == ["tl-keras", "train", *shlex.split(
        "'my photos' --label kind --classes ant bee --val-fraction 0.3 --seed 3"
    )]  # fmt: skip
    usual = parser("tune").parse_args(["tune", "photos"])
    assert tune_command._plain(usual) == "tl-keras train photos"


@pytest.mark.slow
def test_a_training_of_the_base_is_ended_in_its_epochs(photos):
    """Through the phases of a real fit: the head is the first step, and the third ends it."""

    class Trial:
        steps: ClassVar = []

        def report(self, value, step):
            self.steps.append(step)

        def should_prune(self):
            return self.steps[-1] == 3

    train, val = tl.data.from_folder(photos, progress=False).split(0.3, seed=0)
    model = tl.build_classifier(tiny_backbone.NAME, 2, image_size=64, weights=None)
    space = search_space(["dropout"], {"unfreeze": "all", "base": "x"})
    reports = EpochReports(Trial(), False, optuna.TrialPruned)
    with pytest.raises(optuna.TrialPruned):
        tl.fit(
            model, train, val, recipe=recipe_of(space.defaults), callbacks=(reports,), verbose=False
        )
    assert Trial.steps == [1, 2, 3]


# --- a real search over heads on cached features


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the tiny base in a file, so that it counts as one that has learned."""
    keras.utils.set_random_seed(0)
    file = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    tiny_backbone.base((64, 64, 3)).save_weights(file)
    return str(file)


@pytest.fixture(scope="module")
def examples(photos):
    return tl.data.from_folder(photos, progress=False)


@pytest.fixture(scope="module")
def given(weights):
    return {
        "search": ["learning_rate=1e-5..1e-1", "dropout=0,0.3", "head"],
        "backbone": tiny_backbone.NAME, "weights": weights, "image_size": 64, "verbose": False,
    }  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def trained_once():
    """In the end each side is trained once instead of three times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning_final, "REPEATS", 1)
        yield


@pytest.fixture(scope="module")
def searched(examples, given, tmp_path_factory):
    """Two trials, a third by another call, and how often features were computed meanwhile."""
    folder = tmp_path_factory.mktemp("tuned") / "photos"
    computed = []
    run = FeatureExtraction.run

    def counting(self, *args, **kwargs):
        found = run(self, *args, **kwargs)
        computed.append(found.computed)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtraction, "run", counting)
        before = tl.tune(examples, folder, trials=2, **given)
        tuning = tl.tune(examples, folder, trials=3, **given)
    return tuning, computed, before


def test_the_defaults_are_the_first_trial(searched):
    tuning, _, _ = searched
    assert [one.number for one in tuning.trials] == [0, 1, 2]
    assert [one.defaults for one in tuning.trials] == [True, False, False]
    assert tuning.defaults.state == "complete"
    assert tuning.defaults.settings == tuning.space.defaults
    assert tuning.default_recipe.name == "feature_extraction"
    assert sum(tuning.parts.values()) == 40
    assert all(one.accuracy is not None for one in tuning.trials)
    best = max(one.accuracy for one in tuning.trials if one.state == "complete")
    assert tuning.best.accuracy == best


def test_features_are_computed_once_for_all_trials(searched):
    """By the two kinds of head, which pool differently, of two parts of the data."""
    tuning, computed, _ = searched
    heads = {one.settings["head"] for one in tuning.trials}
    assert len(computed) > 2 * len(tuning.trials)
    assert sum(computed) == 2 * len(heads)


def test_the_recipe_comes_back_from_its_file(searched):
    tuning, _, _ = searched
    tuning.save("tl-keras train")
    assert read_recipe(tuning.folder / "best.toml") == tuning.recipe
    assert tuning.recipe.stages[0].learning_rate == tuning.best.settings["learning_rate"]
    with (tuning.folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [0, 1, 2]
    assert float(rows[1]["learning_rate"]) == tuning.trials[1].settings["learning_rate"]
    for name in ("history.png", "parameters.png"):
        assert (tuning.folder / name).read_bytes()[1:4] == b"PNG"
    page = (tuning.folder / "tune.html").read_text()
    assert tuning.verdict.replace("'", "&#x27;") in page
    assert "://" not in page
    json.dumps(tuning.as_dict(), allow_nan=False)


def test_the_end_compares_on_images_that_chose_nothing(searched):
    tuning, _, _ = searched
    assert not tuning.best.defaults  # else nothing would be compared
    assert tuning.comparison["images"] == tuning.parts["set aside"] == 8


def test_it_goes_on_with_what_is_missing(searched, examples, given):
    tuning, _, before = searched
    assert [one.number for one in before.trials] == [0, 1]
    assert tuning.trials[:2] == before.trials
    again = tl.tune(examples, tuning.folder, trials=3, **given)
    assert again.trials == tuning.trials
    assert again.comparison == tuning.comparison


@pytest.mark.slow
def test_it_draws_what_it_would_have_drawn(searched, examples, given, tmp_path):
    """The trials of a search that was stopped and gone on with are those of one that was not."""
    tuning, _, _ = searched
    whole = tl.tune(examples, tmp_path / "photos", trials=3, **given)
    assert [one.settings for one in whole.trials] == [one.settings for one in tuning.trials]
    assert [one.accuracy for one in whole.trials] == [one.accuracy for one in tuning.trials]


def test_other_data_and_another_search_are_refused(searched, examples, given):
    tuning, _, _ = searched
    fewer = examples.subset(range(0, len(examples), 2))
    with pytest.raises(InputError, match="is of another data; repeat the command"):
        tl.tune(fewer, tuning.folder, trials=4, **given)
    with pytest.raises(InputError, match=r"another search; .* another --output"):
        tl.tune(examples, tuning.folder, trials=4, **{**given, "search": ["dropout"]})
    with pytest.raises(InputError, match="another sampler, another seed"):
        tl.tune(examples, tuning.folder, trials=4, sampler="random", seed=1, **given)


@pytest.mark.slow
def test_a_grid_is_covered(examples, given, tmp_path):
    search = ["dropout=0,0.2", "label_smoothing=0,0.1"]
    tuning = tl.tune(examples, tmp_path / "g", sampler="grid", **{**given, "search": search})
    found = {(one.settings["dropout"], one.settings["label_smoothing"]) for one in tuning.trials}
    assert found == {(0.0, 0.0), (0.0, 0.1), (0.2, 0.0), (0.2, 0.1)}
    assert len(tuning.trials) == 4  # the defaults are one of them


def test_wrong_arguments_are_refused(examples, given, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear diary")
    (tmp_path / "file").write_text("")
    for name, more, message in (
        ("mine", {}, "holds something else than a search"),
        ("file", {}, "cannot be made"),
        ("new", {"sampler": "best"}, "give one of tpe, random, grid"),
        ("new", {"pruner": "scissors"}, "give one of halving, none"),
        ("new", {"trials": 1}, "give 2 or more"),
        ("new", {"val_fraction": 1.5}, "between 0 and 1"),
        ("new", {"search": ["unfreeze=99"]}, "99"),
    ):
        with pytest.raises(InputError, match=message):
            tl.tune(examples, tmp_path / name, **{**given, "trials": 2, **more})
    two = examples.subset([np.flatnonzero(examples.labels == k)[i] for k in (0, 1) for i in (0, 1)])
    with pytest.raises(InputError, match="three distinct images of each class"):
        tl.tune(two, tmp_path / "two", **given)


def test_importance_is_of_enough_trials_and_finds_what_matters(tmp_path, recwarn):
    written = TuningStudy(tmp_path, None, "x")
    written.create({}, lambda: None)
    draw = np.random.default_rng(0)
    spread = {name: optuna.distributions.FloatDistribution(0, 1) for name in ("rate", "dropout")}
    depth = {"unfreeze": optuna.distributions.CategoricalDistribution(("0", "all"))}
    for number in range(40):
        if number in (5, 9):
            assert _importance(written) == {}
        params = {name: float(draw.uniform()) for name in spread}
        written.study.add_trial(
            optuna.trial.create_trial(
                params={**params, "unfreeze": "all" if number == 0 else "0"},
                distributions={**spread, **depth},
                value=params["rate"],
            )
        )
    found = _importance(written)
    assert found["rate"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert not [one for one in recwarn if "less than 2 trials" in str(one.message)]
