"""What following `tl-keras advise` costs against the best of the compared bases and recipes.

    python benchmarks/rank.py ... --output rank/          # accuracy of every base by every recipe
    python benchmarks/advise.py ridge --results rank/     # of the recipe that it does not run
    python benchmarks/advise.py measure --results rank/   # what advise chooses, training part only
    python benchmarks/advise.py summary --results rank/
    python benchmarks/advise.py clock --results rank/     # its estimate of the time, against a run

Bases: every one that `tl-keras advise` would choose from by default (KERAS_HOME says where their
weights are).  What it chooses is one JSON file a set and seed; what is there is not asked again.
The accuracy of its choice, and of all others, is that of `benchmarks/rank.py` on the other part.

The summary gives, of sets and seeds of which every base was trained by every recipe, the points of
accuracy between the choice and two others: the best of all on that very test part, which no one
could know beforehand and which is partly luck (the highest of a dozen), and the base and recipe
that are best in the mean over the seeds.

The clock asks for advice on one base after the other, once with time for all layers and once
without, runs the command that it gives, and compares the seconds.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
from rank import SETS, TRAINED
from real_sets import SHARED, load_set, load_whole

import tl_keras as tl
from tl_keras.selection import bases_at_hand
from tl_keras.training.closed_form import closed_form_head
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction

RECIPES = (*TRAINED, "ridge")


def measure(options) -> None:
    """Ask for advice; features are those of `benchmarks/rank.py scores`, where it has been run."""
    for seed in range(options.seeds):
        for name in options.sets:
            whole = load_whole(name)
            if seed and whole.parts:
                continue  # The split is the same for every seed, and so is the advice.
            file = options.results / "advise" / name / f"{seed}.json"
            if file.exists():
                continue
            keras.utils.clear_session()
            cache = FeatureCache(options.results / "features", whole=whole)
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


def ridge(options) -> None:
    """Accuracy of `--recipe ridge` as a user gets it: a fifth of the training part validates."""
    for base in bases_at_hand():
        weights = "bundled" if base.file is None else str(base.file)
        model = tl.build_classifier(
            base.backbone, 2, image_size=base.image_size, weights=weights
        )  # fmt: skip
        for name in options.sets:
            files = [
                options.results / "ridge" / name / base.name / f"{seed}.json"
                for seed in range(options.seeds)
            ]
            if all(file.exists() for file in files):
                continue
            whole = load_whole(name)
            cache = FeatureCache(options.results / "features")
            extraction = FeatureExtraction(
                model, image_size=base.image_size, cache=cache, verbose=False
            )
            rows = dict(zip(whole.digests, extraction.run(whole).views[0], strict=True))
            for seed, file in enumerate(files):
                train, test = load_set(name, seed)
                train, _ = train.split(0.2, seed=seed)
                x, y = (
                    np.stack([rows[digest] for digest in part.digests]) for part in (train, test)
                )
                said = closed_form_head(x, train.labels, len(train.class_names)).probabilities(y)
                right = float((said.argmax(axis=1) == test.labels).mean())
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps({"ridge": right}))
                print(file.relative_to(options.results), right, file=sys.stderr, flush=True)
        keras.utils.clear_session()


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
        kept = bool(load_whole(name).parts)  # Then one split, and one advice, for all seeds.
        rows = []
        for seed, found in sorted(seeds.items()):
            files = [options.results / "advise" / name / f"{n}.json" for n in (seed, 0)]
            file = files[kept]
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
    for recipe in RECIPES:
        for file in results.glob(f"{recipe}/{name}/*/*.json"):
            found = json.loads(file.read_text())
            seeds[int(file.stem)][file.parent.name, recipe] = found[recipe]
    return {
        seed: found
        for seed, found in seeds.items()
        if bases and len(found) == len(bases) * len(RECIPES)
    }


def clock(options) -> None:
    """A line for each: what was estimated, and what it took."""
    print("| set | base | recipe | estimate, s | took, s | ratio |\n|---|---|---|---|---|---|")
    for name in options.sets:
        for base in options.bases:
            for minutes in ("60", "0.01"):
                words = ["advise", str(SHARED / name), "--backbones", base, "--minutes", minutes]
                words += ["--feature-cache", str(options.results / "clock" / name), "--json"]
                told = json.loads(_run(words))
                with tempfile.TemporaryDirectory() as folder:
                    began = time.perf_counter()
                    _run([*shlex.split(told["command"])[1:], "--output", f"{folder}/model"])
                    took = time.perf_counter() - began
                print(
                    f"| {name} | {base} | {told['recipe']} | {told['seconds']:.0f} | {took:.0f} | "
                    f"{took / told['seconds']:.2f} |",
                    flush=True,
                )


def _run(words: list[str]) -> str:
    command = [sys.executable, "-m", "tl_keras.cli.main", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["measure", "ridge", "summary", "clock"])
    parser.add_argument("--results", type=Path, required=True, help="--output of rank.py")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--bases", nargs="+", default=["mobilenet_v3_small+bundled"])
    options = parser.parse_args()
    {"measure": measure, "ridge": ridge, "summary": summary, "clock": clock}[options.what](options)


if __name__ == "__main__":
    main()
