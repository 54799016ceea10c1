"""Balanced sampling: shares of the classes, everyone's turn, and a function of (seed, epoch)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tl_keras as tl
from tl_keras.data import balance_classes, from_folder, set_epoch
from tl_keras.data.balancing import ClassBalance
from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError
from tl_keras.training.feature_batches import FeatureBatches

counts = st.lists(st.integers(1, 60), min_size=1, max_size=6)


def labels_of(numbers):
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(numbers)), numbers))


@settings(max_examples=100, deadline=None)
@given(numbers=counts, seed=st.integers(0, 999), how=st.sampled_from(["balanced", "sqrt"]))
def test_classes_have_their_share_and_images_their_turn(numbers, seed, how):
    labels = labels_of(numbers)
    draw = ClassBalance(labels, how)
    total = np.zeros(len(labels), int)
    power = 0 if how == "balanced" else 0.5
    weights = np.array(numbers) ** power
    for epoch in range(5):
        drawn = draw(seed, epoch)
        assert len(drawn) == len(labels)
        share = np.bincount(labels[drawn], minlength=len(numbers))
        assert (np.abs(share - len(labels) * weights / weights.sum()) < 1).all()
        total += np.bincount(drawn, minlength=len(labels))
        for label in range(len(numbers)):
            assert np.ptp(total[labels == label]) <= 1


def test_an_epoch_is_a_function_of_seed_and_epoch():
    labels = labels_of([50, 10])
    one, other = ClassBalance(labels, "balanced"), ClassBalance(labels, "balanced")
    later = one(3, 7)
    np.testing.assert_array_equal([one(3, e) for e in range(3)], [other(3, e) for e in range(3)])
    np.testing.assert_array_equal(later, other(3, 7))
    assert (one(3, 0) != one(3, 1)).any() and (one(3, 0) != one(4, 0)).any()


def test_even_classes_are_drawn_once_each():
    drawn = ClassBalance(labels_of([20, 20]), "balanced")(0, 0)
    assert sorted(drawn) == list(range(40))


def test_features_are_balanced():
    labels = labels_of([24, 8]).astype("int32")
    features = np.arange(32, dtype="float32")[:, None]
    batches = FeatureBatches((features,), labels, 8, shuffle=True, seed=1)
    assert balance_classes(batches, labels, "balanced") is batches
    seen = [batches[i] for i in range(len(batches))]
    rows = np.concatenate([x for x, _ in seen])[:, 0].astype(int)
    np.testing.assert_array_equal(np.concatenate([y for _, y in seen]), labels[rows])
    assert np.bincount(labels[rows]).tolist() == [16, 16]


def test_pixels_are_balanced_and_the_epoch_can_be_set(photos):
    examples = from_folder(photos, progress=False)
    few = examples.subset([*range(20), 20, 21, 22, 23])
    batches = few.dataset(8, 32, shuffle=True, seed=5)
    balance_classes(batches, few.labels, "balanced")
    epochs = [np.concatenate([y for _, y in batches]) for _ in range(3)]
    for labels in epochs:
        assert np.bincount(labels).tolist() == [12, 12]
    set_epoch(batches, 2)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), epochs[2])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ClassBalance([0, 1], "fair"), "balance='fair'"),
        (lambda: ClassBalance([0, -1], "sqrt"), "one class for every image"),
        (lambda: ClassBalance([[0.0, 1.0]], "sqrt"), "one class for every image"),
        (lambda: balance_classes([], [0, 1], "sqrt"), "got a list"),
        (lambda: balance_classes(_batches(shuffle=False), [0, 1], "sqrt"), "shuffle=True"),
        (lambda: balance_classes(_batches(), [0], "sqrt"), "1 labels for a dataset of 2"),
        (lambda: tl.Recipe("r", (tl.Stage("s", 1),), balance="fair"), "balance is one of"),
    ],
)
def test_what_cannot_be_balanced(call, said):
    with pytest.raises(InputError, match=said):
        call()


def _batches(shuffle=True):
    return FeatureBatches((np.zeros((2, 1)),), np.array([0, 1]), 2, shuffle=shuffle)


def test_an_order_without_a_draw_is_the_permutation_of_old():
    order = EpochOrder(10, 4, shuffle=True, seed=3)
    np.testing.assert_array_equal(order.indices(2), np.random.default_rng([3, 2]).permutation(10))


def test_a_recipe_of_ones_own_balances_both_kinds_of_stages(photos):
    """Through ``fit``: what a head and what a whole network are trained on."""
    examples = from_folder(photos, progress=False)
    train = examples.subset([*range(16), *range(20, 24)])
    seen = []

    model = tl.build_classifier("mobilenet_025", 2, image_size=32, weights=None)
    stages = (tl.Stage("head", 2), tl.Stage("all", 2, unfreeze="all"))
    recipe = tl.Recipe("mine", stages, balance="balanced", loss="logit_adjusted")
    order = EpochOrder.indices

    def watched(self, epoch):
        rows = order(self, epoch)
        if self.shuffle:
            seen.append(train.labels[rows % len(train)])
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochOrder, "indices", watched)
        run = tl.fit(model, train, examples, recipe=recipe, verbose=False)
    assert [row["stage"] for row in run.history] == ["head", "head", "all", "all"]
    assert seen and all(np.bincount(labels).tolist() == [10, 10] for labels in seen)
