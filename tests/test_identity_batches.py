"""Batches of P classes with K images each: what is in them, how evenly, and that they repeat."""

import keras
import numpy as np
import pytest

from tl_keras.data.folders import from_folder
from tl_keras.data.identity_batches import IdentityBatches, batch_by_identity
from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError
from tl_keras.training.feature_batches import FeatureBatches


def uneven(seed=0, classes=30):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes) * 3 + 1, rng.integers(1, 20, classes))
    return rng.permutation(labels)


@pytest.mark.parametrize(("p", "k", "seed"), [(4, 4, 0), (8, 3, 1), (30, 2, 2), (2, 16, 3)])
def test_every_batch_has_p_classes_of_k_images(p, k, seed):
    labels = uneven(seed)
    sizes = {label: int((labels == label).sum()) for label in labels.tolist()}
    draw = IdentityBatches(labels, p, k)
    for epoch in range(3):
        rows = draw(seed, epoch)
        assert rows.shape == labels.shape
        assert rows.dtype == np.int64
        for start in range(0, len(rows) - p * k + 1, p * k):
            batch = rows[start : start + p * k]
            values, counts = np.unique(labels[batch], return_counts=True)
            assert len(values) == p
            assert (counts == k).all()
            for label in values:
                own = batch[labels[batch] == label]
                seen = np.bincount(own, minlength=len(labels))[labels == label]
                # Each once, or, where there are too few, all of them nearly equally often.
                assert len(set(own.tolist())) == min(k, sizes[label])
                assert seen.max() - seen.min() <= 1
        # What is left over: whole classes, then a part of one.
        rest = labels[rows[len(rows) // (p * k) * p * k :]]
        counts = np.unique(rest, return_counts=True)[1]
        assert sorted(counts.tolist())[1:] == [k] * max(len(counts) - 1, 0)


def test_classes_come_equally_often_and_images_of_a_class_in_turn():
    labels = uneven(5)
    draw = IdentityBatches(labels, 5, 4)
    for epoch in range(3):
        rows = draw(0, epoch)
        rows = rows[: len(rows) // 20 * 20]
        classes = np.bincount(np.unique(labels, return_inverse=True)[1][rows])
        assert classes.max() - classes.min() <= 4
        visits = np.bincount(rows, minlength=len(labels))
        for label in np.unique(labels):
            own = visits[labels == label]
            assert own.max() - own.min() <= 1
    over_epochs = np.bincount(np.concatenate([draw(0, e) for e in range(60)]))
    assert len(over_epochs) == len(labels) and over_epochs.min() > 0


def test_an_epoch_is_a_function_of_seed_and_number():
    labels = uneven()
    first, second = (IdentityBatches(labels, 4, 4) for _ in range(2))
    first(0, 0), first(0, 1)
    np.testing.assert_array_equal(first(0, 2), second(0, 2))
    assert (first(0, 2) != first(0, 3)).any()
    assert (first(0, 2) != first(1, 2)).any()


def test_order_within_a_batch_differs_from_that_of_the_table():
    labels = np.repeat(np.arange(4), 8)
    firsts = {int(labels[IdentityBatches(labels, 2, 4)(0, e)[0]]) for e in range(20)}
    assert firsts == {0, 1, 2, 3}


def test_visits_of_an_image_can_be_told_apart():
    """So that augmentation makes different pictures of the only ones of a class."""
    order = EpochOrder(12, 4, shuffle=True)
    order.draw_by(IdentityBatches([0, 1, 2] + [3] * 9, 2, 2))
    order.number_visits()
    for epoch in range(5):
        for number in range(3):
            batch = order.batch(epoch, number)
            assert len(set(batch.tolist())) == 4
            for alone in {0, 1, 2} & set((batch % 12).tolist()):
                assert (batch % 12 == alone).sum() == 2


def test_the_pipeline_gives_such_batches(photos):
    """Images, not positions alone: through decoding, twice the same."""
    examples = from_folder(photos, progress=False)
    # People of our own: the numbers of the files, four apart.
    people = np.arange(len(examples)) // 4

    def passed():
        batches = examples.dataset(8, 32, shuffle=True, seed=3)
        assert batch_by_identity(batches, people, 2) is batches
        return [tuple(np.asarray(part) for part in batch) for batch in batches]

    plain = np.concatenate([np.asarray(x) for x, _ in examples.dataset(8, 32)])
    first, again = passed(), passed()
    assert [len(y) for _, y in first] == [8] * 5
    for (images, labels), (images_again, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(images, images_again)
        rows = [int((plain == image).all((1, 2, 3)).argmax()) for image in images]
        assert np.unique(people[rows], return_counts=True)[1].tolist() == [2] * 4
        np.testing.assert_array_equal(labels, examples.labels[rows])


def test_features_kept_in_memory_can_be_drawn_so():
    features = np.arange(40, dtype="float32")[:, None]
    labels = np.arange(40) % 5
    batches = batch_by_identity(FeatureBatches((features,), labels, 8, shuffle=True), labels, 4)
    assert isinstance(batches, keras.utils.PyDataset)
    for number in range(len(batches)):
        _, y = batches[number][:2]
        assert np.unique(y, return_counts=True)[1].tolist() == [4, 4]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: IdentityBatches([0, 1, -1], 2, 2), "one class for every image"),
        (lambda: IdentityBatches([[0, 1]], 2, 2), "one class for every image"),
        (lambda: IdentityBatches([0.0, 1.0], 2, 2), "one class for every image"),
        (lambda: IdentityBatches([0, 1], 3, 2), "3 classes a batch, and the data has 2"),
        (lambda: IdentityBatches([0, 1], 1, 2), "no pairs"),
        (lambda: IdentityBatches([0, 1], 2, 1), "no pairs"),
        (lambda: batch_by_identity([], [0, 1]), "got a list"),
        (lambda: batch_by_identity(some(shuffle=False), [0] * 8), "shuffle=True"),
        (lambda: batch_by_identity(some(), [0]), "1 labels for a dataset of 8"),
        (lambda: batch_by_identity(some(), [0, 1] * 4, 3), "divides the batch size"),
        (lambda: batch_by_identity(some(), [0, 1] * 4, 1), "divides the batch size"),
        (lambda: batch_by_identity(some(), [0] * 8, 2), "the data has 1"),
    ],
)
def test_what_cannot_be_drawn(call, said):
    with pytest.raises(InputError, match=said):
        call()


def some(shuffle=True):
    return FeatureBatches((np.zeros((8, 1)),), np.arange(8) % 2, 4, shuffle=shuffle)
