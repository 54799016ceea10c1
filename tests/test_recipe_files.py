"""Recipes in TOML: what is written is read back equal; what is wrong is named in one line."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.errors import InputError
from tl_keras.training.recipe_files import read_recipe, write_recipe
from tl_keras.training.recipes import RECIPES, Recipe, Stage

STAGE = '[[stages]]\nname = "head"\nepochs = 3\n'


def _file(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_the_named_recipes_survive_a_round_trip(tmp_path, name):
    assert read_recipe(write_recipe(RECIPES[name], tmp_path / "a.toml")) == RECIPES[name]


def test_every_field_survives_a_round_trip(tmp_path):
    """With a value of its own in each field of both, so that none is forgotten."""
    stage = Stage(
        "tóp \"x\" \\ \x7f\n", 7, unfreeze=0.5, learning_rate=3e-5, warmup=0.2, patience=2,
        augment="light", schedule="one_cycle", views=3,
    )  # fmt: skip
    recipe = Recipe(
        "mine", (Stage("head", 1, solver="ridge"), stage, Stage("all", 2, "all")), reason="why not",
        bottom_rate=0.03, weight_decay=0.2, clip_norm=1.5, ema=0.99, loss="focal",
        label_smoothing=0.1, dropout=0.3, class_weights={"ants, bees": 2.0, "x=1": 0.5},
        balance="sqrt",
    )  # fmt: skip
    assert read_recipe(write_recipe(recipe, tmp_path / "a.toml")) == recipe
    for item, default in ((stage, Stage("head", 1)), (recipe, RECIPES["fine_tune"])):
        same = {
            field.name
            for field in dataclasses.fields(item)
            if getattr(item, field.name) == getattr(default, field.name)
        }
        # A stage with a solver, as the first one here, has nothing else of its own.
        assert not same - {"solver"}, f"give {same} a value of its own in this test"


@settings(max_examples=40, deadline=None)
@given(
    name=st.text(st.characters(codec="utf-8"), max_size=12),
    epochs=st.integers(1, 10**9),
    rate=st.floats(1e-300, 1e300),
    unfreeze=st.one_of(st.integers(0, 99), st.floats(0, 1), st.text("abc", max_size=3)),
)
def test_any_values_survive_a_round_trip(tmp_path_factory, name, epochs, rate, unfreeze):
    path = tmp_path_factory.mktemp("r") / "a.toml"
    recipe = Recipe(name, (Stage(name, epochs, unfreeze, rate),))
    back = read_recipe(write_recipe(recipe, path))
    assert back == recipe
    assert type(back.stages[0].unfreeze) is type(unfreeze)


def test_numpy_numbers_are_written_as_numbers(tmp_path):
    stage = Stage("head", np.int64(3), unfreeze=np.float32(0.5), learning_rate=np.float64(1e-3))
    recipe = Recipe("r", (stage,))
    assert read_recipe(write_recipe(recipe, tmp_path / "a.toml")) == recipe


def test_what_is_left_out_has_its_default(tmp_path):
    recipe = read_recipe(_file(tmp_path, STAGE + "learning_rate = 1\n"))
    assert recipe.name == "mine" and "mine.toml" in recipe.reason
    assert recipe.stages == (Stage("head", 3, learning_rate=1),)
    assert recipe.bottom_rate == Recipe("x", ()).bottom_rate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no stages"),
        ("stages = []", "no stages"),
        ("stages = 3", "no stages"),
        ("stages = [1]", "no stages"),
        ("x = = 1", "not TOML"),
        ("a = " + "[" * 9000, "not TOML"),
        (
            STAGE + "learning_rte = 1e-3",
            "stage 1: there is no key 'learning_rte'; did you mean 'le",
        ),
        ("botom_rate = 0.1\n" + STAGE, "'botom_rate'; did you mean 'bottom_rate'"),
        ("zzz = 0.1\n" + STAGE, "no key 'zzz'; known are name"),
        ('[[stages]]\nname = "head"', "stage 1: epochs is missing"),
        (STAGE + "\n[[stages]]\nepochs = 3", "stage 2: name is missing"),
        ('[[stages]]\nname = "head"\nepochs = true', "epochs = True must be a whole number"),
        ('[[stages]]\nname = "head"\nepochs = 1.5', "epochs = 1.5 must be a whole number"),
        (STAGE + 'learning_rate = "fast"', "learning_rate = 'fast' must be a number"),
        (STAGE + "unfreeze = [1]", "a whole number or a number or a string"),
        (STAGE + "learning_rate = -1.0", "learning_rate is above 0"),
        (STAGE + "learning_rate = nan", "learning_rate is above 0"),
        ('class_weights = {ants = "x"}\n' + STAGE, "class_weights"),
        ("bottom_rate = 7\n" + STAGE, "bottom_rate"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_file(tmp_path, text, said):
    with pytest.raises(InputError) as error:
        read_recipe(_file(tmp_path, text))
    message = str(error.value)
    assert said in message and "mine.toml" in message and "\n" not in message


def test_files_that_cannot_be_read_or_written(tmp_path):
    for path in (tmp_path / "no.toml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_recipe(path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not TOML"):
        read_recipe(tmp_path / "bytes.toml")
    with pytest.raises(InputError, match="cannot be written"):
        write_recipe(RECIPES["fine_tune"], tmp_path / "no" / "a.toml")
    with pytest.raises(InputError, match="names"):
        write_recipe(Recipe("r", (Stage("x", 1),), class_weights={0: 2.0}), tmp_path / "a.toml")
