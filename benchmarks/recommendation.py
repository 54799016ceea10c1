"""Suggestions to simulated customers of a real catalogue: hit rate, nDCG and coverage.

    KERAS_HOME=folder/with/imagenet/weights \
        python benchmarks/recommendation.py ../shared/data/fashion

The customers are those of ``simulated_customers.py``, which says what they are assumed to do; they
come from the products' metadata, and no vector is looked at.  All see the same customers:

* ``chance``: any products
* ``popularity``: what most customers met and did not dislike
* ``the script``: base -> global max pooling -> the nearest of the last product, by brute force;
  the query is among its own results, as in the well-known script (which uses ResNet50)
* ``the script, mended``: the same without what the customer has met
* ``last item``: as that, with our vectors
* ``one mean``: the mean of all that the customer did not dislike, with our vectors
* ``ours``: ``Recommender``, told what is popular; below it, the same without one of its parts
* ``all-knowing``: knows each customer's interests and every product's popularity: the ceiling

Base and size are the same for all.  ``--model FOLDER`` takes the vectors of a trained model for
ours, too.  Intervals are 95 %, times those of a processor.  Seeds that are in ``--output`` already
are not measured again.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from simulated_customers import Customer, Product, Shop

from tl_keras.evaluation.neighbours import best
from tl_keras.evaluation.recommendation_metrics import evaluate_suggestions
from tl_keras.retrieval import Recommender, VectorIndex, recommendation
from tl_keras.retrieval.profiles import popularity
from tl_keras.retrieval.replaying import unmet

K = 10


def products(folder: Path) -> list[Product]:
    with (folder / "styles.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        Product(f"images/{row['id']}.jpg", row["gender"], row["articleType"], row["baseColour"])
        for row in rows
    ]


def nearest(ids: Sequence[str], vectors: np.ndarray, vector: np.ndarray) -> list[str]:
    return [ids[number] for number in best(vectors @ vector, 300)]


def liked(customer: Customer) -> list[str]:
    """All met and not disliked, the newest last, as often as met."""
    return [event.item for event in customer.before if event.kind != "dislike"]


def simple_methods(
    shop: Shop, customers: Sequence[Customer], script: np.ndarray, ours: np.ndarray, seed: int
) -> dict[str, Callable[[Customer], list[str]]]:
    ids = [product.id for product in shop.products]
    row = {one: number for number, one in enumerate(ids)}
    ranked = popularity(customer.before for customer in customers)
    rng = np.random.default_rng(seed)

    def last(customer: Customer, vectors: np.ndarray) -> list[str]:
        return nearest(ids, vectors, vectors[row[liked(customer)[-1]]])

    def mean(customer: Customer) -> list[str]:
        return nearest(ids, ours, ours[[row[item] for item in liked(customer)]].mean(axis=0))

    return {
        "chance": lambda c: unmet(rng.permutation(ids).tolist(), c.before, K),
        "popularity": lambda c: unmet(ranked, c.before, K),
        "the script": lambda c: last(c, script)[:K],
        "the script, mended": lambda c: unmet(last(c, script), c.before, K),
        "last item": lambda c: unmet(last(c, ours), c.before, K),
        "one mean": lambda c: unmet(mean(c), c.before, K),
        "all-knowing": lambda c: unmet([ids[n] for n in np.argsort(-c.foreseen)], c.before, K),
    }


def index_of(folder: str, ids: list[str], vectors: np.ndarray) -> VectorIndex:
    index = VectorIndex.create(folder, vectors.shape[1], "benchmark")
    index.add(ids, vectors)
    return index


def our_methods(
    index: VectorIndex, customers: Sequence[Customer]
) -> dict[str, Callable[[Customer], list[str]]]:
    """Ours, and the same without one of its parts."""
    counts = popularity(customer.before for customer in customers)
    whole = Recommender(index)
    usual, recommendation.ALIKE = recommendation.ALIKE, 0.0
    blurred = Recommender(index)
    recommendation.ALIKE = usual

    def suggest(customer: Customer, recommender: Recommender = whole, **options) -> list[str]:
        options = {"popular": counts} | options
        return [one.id for one in recommender.suggest(customer.before, K, **options)]

    def without_dislikes(customer: Customer) -> list[str]:
        spoken = [event for event in customer.before if event.kind != "dislike"]
        met = [event.item for event in customer.before]
        return [one.id for one in whole.suggest(spoken, K, exclude=met, popular=counts)]

    def kinds_alike(customer: Customer) -> list[str]:
        plain = [
            event if event.kind == "dislike" else event._replace(kind="view")
            for event in customer.before
        ]
        return [one.id for one in whole.suggest(plain, K, popular=counts)]

    return {
        "ours": suggest,
        "ours, looks alone": lambda c: suggest(c, popular=None),
        "ours, one interest": lambda c: suggest(c, blurred),
        "ours, age ignored": lambda c: suggest(c, half_life=1e12),
        "ours, kinds alike": kinds_alike,
        "ours, dislikes ignored": without_dislikes,
        "ours, not diversified": lambda c: suggest(c, diversity=0.0),
    }


def measure(
    shop: Shop, count: int, index: VectorIndex, script: np.ndarray, ours: np.ndarray, seed: int
) -> dict[str, Any]:
    """What each method shows to the customers of a seed, and what they went for."""
    customers = [shop.customer() for _ in range(count)]
    methods = simple_methods(shop, customers, script, ours, seed)
    ceiling = methods.pop("all-knowing")
    shown, seconds = {}, {}
    for name, method in (
        methods | our_methods(index, customers) | {"all-knowing": ceiling}
    ).items():
        began = time.process_time()
        shown[name] = [method(customer) for customer in customers]
        seconds[name] = time.process_time() - began
    return {
        "wanted": [customer.wanted for customer in customers],
        "interests": [str(len(customer.interests)) for customer in customers],
        "events": [len(customer.before) for customer in customers],
        "shown": shown,
        "seconds": seconds,
    }


def print_table(catalogue: Sequence[Product], parts: Sequence[dict[str, Any]]) -> None:
    """A line a method, all seeds together; coverage is the mean of that of each seed."""
    types = {product.id: product.type for product in catalogue}
    wanted = [set(one) for part in parts for one in part["wanted"]]
    interests = [one for part in parts for one in part["interests"]]
    print(f"{len(wanted)} customers, {np.mean([n for part in parts for n in part['events']]):.0f} "
          f"events each, {np.mean([len(one) for one in wanted]):.1f} products to foresee\n\n"
          "| method | hit rate@10 | of those with 1, 2, 3 interests | nDCG@10 | coverage@10 "
          "| article types in a list | ms |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for name in parts[0]["shown"]:
        shown = [one for part in parts for one in part["shown"][name]]
        spent = 1e3 * sum(part["seconds"][name] for part in parts) / len(shown)
        found = evaluate_suggestions(shown, wanted, len(types), ks=[K], categories=interests)
        rate, gain = found["hit_rate"][str(K)], found["ndcg"][str(K)]["value"]
        apart = ", ".join(
            f"{100 * one['hit_rate'][str(K)]['value']:.1f}" for one in found["by_category"]
        )
        covered = np.mean(
            [len({i for one in part["shown"][name] for i in one}) / len(types) for part in parts]
        )
        several = np.mean([len({types[item] for item in one}) for one in shown])
        print(f"| {name} | {100 * rate['value']:.1f} % ({100 * rate['low']:.1f} to "
              f"{100 * rate['high']:.1f}) | {apart} | {gain:.3f} "
              f"| {100 * covered:.1f} % | {several:.1f} | {spent:.1f} |")  # fmt: skip


def script_vectors(folder: Path, ids: Sequence[str], base: str, size: int) -> np.ndarray:
    """The script's: the picture stretched to the base's size, global max pooling, length 1."""
    from tl_keras.builders.embedder import build_embedder
    from tl_keras.data.decoding import load_image

    model = build_embedder(base, None, image_size=size, pooling="max")
    images = np.stack([load_image(folder / one, size, "stretch") for one in ids])
    return model.predict(images, batch_size=64, verbose=0)


def vectors_of(folder: Path, ids: Sequence[str], base: str, size: int, model: Path | None):
    from tl_keras.retrieval.embedding import open_embedder

    embedder = open_embedder(base, image_size=size) if model is None else open_embedder(model)
    return embedder.vectors([folder / one for one in ids])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with styles.csv and images/")
    parser.add_argument("--base", default="mobilenet_v2_035")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--model", type=Path, help="an artefact whose vectors are ours")
    parser.add_argument(
        "--vectors", type=Path, help="file.npz that keeps the vectors for next time"
    )
    parser.add_argument("--customers", type=int, default=400, help="for each seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("recommendation.json"))
    parser.add_argument("--spread", type=float, default=1.0, help="of popularity, log-normal")
    options = parser.parse_args()
    catalogue = products(options.data)
    ids = [product.id for product in catalogue]
    base, size = options.base, options.image_size
    if options.vectors and options.vectors.exists():
        kept = np.load(options.vectors)
        script, ours = kept["script"], kept["ours"]
    else:
        script = script_vectors(options.data, ids, base, size)
        ours = vectors_of(options.data, ids, base, size, options.model)
        if options.vectors:
            np.savez(options.vectors, script=script, ours=ours)
    done = json.loads(options.output.read_text()) if options.output.exists() else {}
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        index = index_of(folder, ids, ours)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            key = f"{base} {size} {options.model} {options.spread} {options.customers} {seed}"
            if key not in done:
                shop = Shop(catalogue, seed, options.spread)
                done[key] = measure(shop, options.customers, index, script, ours, seed)
                options.output.write_text(json.dumps(done))
            parts.append(done[key])
    print(f"{base} {size} px, {options.model or 'untrained'}; spread of popularity "
          f"{options.spread}, seeds {options.first_seed} to "
          f"{options.first_seed + options.seeds - 1}")  # fmt: skip
    print_table(catalogue, parts)


if __name__ == "__main__":
    main()
