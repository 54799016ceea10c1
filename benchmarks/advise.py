"""What following `tl-keras advise` costs against the best of the compared bases and recipes.

    python benchmarks/rank.py ... --output rank/          # accuracy of every base by every recipe
    python benchmarks/advise.py measure --results rank/   # what advise chooses, training part only
    python benchmarks/advise.py summary --results rank/

Bases: every one that `tl-keras advise` would choose from by default (KERAS_HOME says where their
weights are).  What it chooses is one JSON file a set and seed; what is there is not asked again.
The accuracy of its choice, and of all others, is that of `benchmarks/rank.py` on the other part.

The summary gives, of sets and seeds of which every base was trained by every recipe, the points of
accuracy between the choice and two others: the best of all on that very test part, which no one
could know beforehand and which is partly luck (the highest of a dozen), and the base and recipe
that are best in the mean over the seeds.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
from rank import SETS, TRAINED
from real_sets import load_set, load_whole

import tl_keras as tl
from tl_keras.training.feature_cache import FeatureCache


def measure(options) -> None:
    """Ask for advice; features are those of `benchmarks/rank.py scores`, where it has been run."""
    for seed in range(options.seeds):
        for name in options.sets:
            file = options.results / "advise" / name / f"{seed}.json"
            if file.exists():
                continue
            keras.utils.clear_session()
            cache = FeatureCache(options.results / "features", whole=load_whole(name))
            began = time.perf_counter()
            advice = tl.advise(load_set(name, seed)[0], cache=cache, verbose=False)
            told = {
                "base": advice.best.name,
                "recipe": advice.recipe.name,
                "reason": advice.recipe.reason,
                "probe": advice.best.probe,
                "smallest": advice.profile.smallest,
                "distance": advice.distance,
                "estimate": advice.time.seconds,
                "seconds": round(time.perf_counter() - began, 1),
            }
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(told))
            print(file.relative_to(options.results), told, file=sys.stderr, flush=True)


def summary(options) -> None:
    """A row for each set, and one for each seed of it."""
    print("| set | seed | advised | accuracy | best there | cost | cost to best in the mean |")
    print("|---|---|---|---|---|---|---|")
    costs = []
    for name in options.sets:
        seeds = _complete(options.results, name)
        if not seeds:
            print(f"| {name} | not complete |")
            continue
        combinations = next(iter(seeds.values()))
        steady = max(
            combinations, key=lambda one: np.mean([found[one] for found in seeds.values()])
        )
        rows = []
        for seed, found in sorted(seeds.items()):
            file = options.results / "advise" / name / f"{seed}.json"
            if not file.exists():
                continue
            told = json.loads(file.read_text())
            chosen = told["base"], told["recipe"]
            best = max(found, key=found.get)
            row = (found[chosen], found[best] - found[chosen], found[steady] - found[chosen])
            rows.append([100 * value for value in row])
            print(
                f"| {name} | {seed} | {' '.join(chosen)} | {rows[-1][0]:.1f} | {' '.join(best)} "
                f"{100 * found[best]:.1f} | {rows[-1][1]:.1f} | {rows[-1][2]:.1f} |"
            )
        if rows:
            accuracy, cost, to_steady = np.mean(rows, axis=0)
            costs.append((cost, to_steady))
            print(
                f"| **{name}** | mean of {len(rows)} | | {accuracy:.1f} | in the mean "
                f"{' '.join(steady)} | {cost:.1f} | {to_steady:.1f} |"
            )
    if costs:
        print(f"| **mean of {len(costs)} sets** | | | | | {_means(costs)} |")


def _means(costs: list[tuple[float, float]]) -> str:
    return " | ".join(f"{value:.1f}" for value in np.mean(costs, axis=0))


def _complete(results: Path, name: str) -> dict[int, dict[tuple[str, str], float]]:
    """Seed -> (base, recipe) -> accuracy, of seeds of which nothing is missing."""
    seeds: dict[int, dict] = defaultdict(dict)
    bases = {file.parent.name for file in results.glob(f"scores/{name}/*/*.json")}
    for recipe in TRAINED:
        for file in results.glob(f"{recipe}/{name}/*/*.json"):
            found = json.loads(file.read_text())
            seeds[int(file.stem)][file.parent.name, recipe] = found[recipe]
    return {
        seed: found
        for seed, found in seeds.items()
        if bases and len(found) == len(bases) * len(TRAINED)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["measure", "summary"])
    parser.add_argument("--results", type=Path, required=True, help="--output of rank.py")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    options = parser.parse_args()
    measure(options) if options.what == "measure" else summary(options)


if __name__ == "__main__":
    main()
