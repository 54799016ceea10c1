"""The customers that recommendation is measured on do what their description says."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def simulated():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import simulated_customers
    finally:
        sys.path.remove(str(BENCHMARKS))
    return simulated_customers


@pytest.fixture(scope="module")
def shop(simulated):
    rng = np.random.default_rng(0)
    types, colours = ["shirt", "watch", "shoe"], ["red", "blue", "green"]
    products = [
        simulated.Product(f"p{n}", gender, str(rng.choice(types)), str(rng.choice(colours)))
        for n, gender in enumerate(["Men"] * 120 + ["Women"] * 60 + ["Unisex"] * 20)
    ]
    products += [simulated.Product("rare", "Men", "tie", "red")]
    return simulated.Shop(products, seed=1)


@pytest.fixture(scope="module")
def customers(shop):
    return [shop.customer() for _ in range(200)]


def test_they_follow_the_description(simulated, shop, customers):
    by_id = {product.id: product for product in shop.products}
    numbers, kinds = Counter(), {"favourite": Counter(), "type": Counter(), "chance": Counter()}
    for one in customers:
        numbers[len(one.interests)] += 1
        assert sum(interest.strength for interest in one.interests) == pytest.approx(1)
        genders = {by_id[event.item].gender for event in one.before} - {"Unisex"}
        assert len(genders) <= 1
        assert "tie" not in {interest.type for interest in one.interests}
        times = [event.time for event in one.before]
        assert times == sorted(times)
        wishes = {(interest.type, interest.colour) for interest in one.interests}
        for event in one.before:
            product = by_id[event.item]
            if (product.type, product.colour) in wishes:
                kinds["favourite"][event.kind] += 1
            elif product.type not in {name for name, _ in wishes}:
                kinds["chance"][event.kind] += 1
    assert numbers[2] > numbers[1] * 0.9
    assert numbers[2] > numbers[3] * 0.9
    for fit, expected in (("favourite", 0.6), ("chance", 0.85)):
        counted = kinds[fit]
        assert counted["view"] / counted.total() == pytest.approx(expected, abs=0.06)
    assert kinds["chance"]["purchase"] == 0


def test_what_is_to_be_foreseen_is_new_and_possible(shop, customers):
    rows = {product.id: row for row, product in enumerate(shop.products)}
    for one in customers:
        assert one.wanted
        assert not set(one.wanted) & {event.item for event in one.before}
        assert one.foreseen.sum() == pytest.approx(1)
        assert all(one.foreseen[rows[item]] > 0 for item in one.wanted)


def test_popularity_is_the_same_for_all_and_pays(shop, customers):
    counted = Counter(event.item for one in customers for event in one.before)
    ranked = np.argsort(-shop.popularity[:120])
    often = [counted[f"p{n}"] for n in ranked]
    assert sum(often[:30]) > 3 * sum(often[-30:])


def test_a_seed_says_all(simulated, shop):
    def first(seed):
        found = simulated.Shop(shop.products, seed).customer()
        return found.before, found.wanted

    assert first(5) == first(5)
    assert first(5) != first(6)
