"""How well scores without training order bases by their accuracy after training.

    python benchmarks/rank.py scores --output rank/       # features once, scores, closed-form heads
    python benchmarks/rank.py fine_tune --output rank/    # two hours on two cores
    python benchmarks/rank.py feature_extraction --output rank/
    python benchmarks/rank.py summary --output rank/

Bases: every one that `tl-keras rank` would compare by default (KERAS_HOME says where their weights
are).  Five real sets; on those that bring no split the seed draws the halves.  Scores see training
images only, accuracy is of the other part, and no test image chooses anything.

Three accuracies, all on the same images: "head", a softmax head in closed form on frozen features;
"feature_extraction" and "fine_tune", the recipes of that name as a user gets them: a fifth of the
training part validates, and the best epoch is kept.  Each run is one JSON file; what is there is
not run again, so a killed run costs no more than itself, and several processes may share the work
by --sets and --bases.

The summary gives Kendall's tau, weighted as in Vigna 2015 (1 the same order, -1 the reverse; the
best bases weigh most), and the regret: the accuracy that choosing the base with the highest score
loses against the best base.  Both are means over seeds, of sets and seeds that are complete.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
from real_sets import load_set, load_whole
from scipy.stats import weightedtau

import tl_keras as tl
from tl_keras.backbones.registry import get_backbone
from tl_keras.selection import bases_at_hand, h_score, log_me, nearest_vote
from tl_keras.selection.candidates import asked_for
from tl_keras.training.closed_form import closed_form_head
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.probing import linear_probe

SETS = ("hymenoptera", "pets", "brain-mri", "magnetic-tile", "fashion")
SCORES = ("log_me", "h_score", "h_score_plain", "probe", "nearest", "parameters")
TRAINED = ("feature_extraction", "fine_tune")  # recipes
TARGETS = ("head", *TRAINED)


class Scores:
    """What scores say of a base on the training part, and the closed-form head's accuracy.

    The base sees each image of a set once, whatever the number of seeds.
    """

    def __init__(self) -> None:
        self._features = {}

    def __call__(self, base, name: str, seed: int, options) -> dict:
        train, test = load_set(name, seed)
        rows = self._rows(base, name, options)
        x, y = (np.stack([rows[digest] for digest in part.digests]) for part in (train, test))
        head = closed_form_head(x, train.labels, len(train.class_names))
        right = head.probabilities(y).argmax(axis=1) == test.labels
        record = get_backbone(base.backbone)
        return {
            "log_me": log_me(x, train.labels),
            "h_score": h_score(x, train.labels),
            "h_score_plain": h_score(x, train.labels, shrink=False),
            "probe": linear_probe(x, train.labels).accuracy,
            "nearest": nearest_vote(x, train.labels),
            "parameters": record.parameters,
            "head": float(right.mean()),
            "train": len(train),
            "test": len(test),
        }

    def _rows(self, base, name: str, options) -> dict:
        """Features by the digest of the file."""
        if (base, name) not in self._features:
            whole = load_whole(name)
            extraction = FeatureExtraction(
                _model(base, 2), image_size=base.image_size, verbose=False,
                cache=FeatureCache(options.output / "features"),
            )  # fmt: skip
            rows = extraction.run(whole).views[0]
            self._features[base, name] = dict(zip(whole.digests, rows, strict=True))
        return self._features[base, name]


def trained(base, name: str, seed: int, options) -> dict:
    """Accuracy on the other part after training by a recipe."""
    whole, test = load_set(name, seed)
    train, val = whole.split(0.2, seed=seed)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = _model(base, len(train.class_names))
    recipe = options.measure
    run = tl.fit(model, train, val, recipe=recipe, seed=seed, cache="memory", verbose=False)
    metrics = run.evaluate(test)
    return {recipe: metrics["accuracy"]["value"], f"{recipe}_val": run.metrics["accuracy"]["value"]}


def _model(base, classes: int) -> keras.Model:
    weights = "bundled" if base.file is None else str(base.file)
    return tl.build_classifier(base.backbone, classes, image_size=base.image_size, weights=weights)


def measure(options) -> None:
    run = Scores() if options.measure == "scores" else trained
    bases = asked_for(options.bases) if options.bases else bases_at_hand()
    until = time.monotonic() + 60 * options.minutes
    for seed in range(options.seeds):
        for name in options.sets:
            for base in bases:
                file = options.output / options.measure / name / base.name / f"{seed}.json"
                if file.exists():
                    continue
                if time.monotonic() > until:
                    return
                began = time.perf_counter()
                found = run(base, name, seed, options)
                found["seconds"] = round(time.perf_counter() - began, 1)
                file.parent.mkdir(parents=True, exist_ok=True)
                partial = file.with_suffix(f".{os.getpid()}.partial")
                partial.write_text(json.dumps(found))
                partial.replace(file)
                print(file.relative_to(options.output), found, file=sys.stderr, flush=True)


def summary(options) -> None:
    """Tables of accuracy, of weighted tau and of regret."""
    rows = defaultdict(dict)  # (set, seed) -> base -> figures
    for file in sorted(options.output.glob("*/*/*/*.json")):
        if file.parts[-4] in ("scores", *TRAINED):
            rows[file.parts[-3], int(file.stem)].setdefault(file.parts[-2], {}).update(
                json.loads(file.read_text())
            )
    bases = sorted({base for found in rows.values() for base in found})
    for target in TARGETS:
        whole = {
            key: found
            for key, found in rows.items()
            if len(found) == len(bases)
            and all(target in one and "log_me" in one for one in found.values())
        }
        if not whole:
            print(f"\n{target}: no set is complete")
            continue
        sets = [name for name in SETS if any(key[0] == name for key in whole)]
        seeds = {name: sum(key[0] == name for key in whole) for name in sets}
        print(f"\n{target}, accuracy in % (seeds: {seeds})")
        print("| base | " + " | ".join(sets) + " |\n|---|" + "---|" * len(sets))
        for base in bases:
            means = [100 * _mean(whole, name, _of, base, target) for name in sets]
            print(f"| {base} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
        for what, figure in (("weighted tau", _tau), ("regret, points", _regret)):
            print(f"\n{target}, {what}")
            print("| score | " + " | ".join(sets) + " | mean |\n|---|" + "---|" * (len(sets) + 1))
            for score in SCORES:
                found = [_mean(whole, name, figure, score, target) for name in sets]
                cells = [f"{value:.2f}" for value in (*found, np.mean(found))]
                print(f"| {score} | " + " | ".join(cells) + " |")


def _mean(whole: dict, name: str, figure, *of: str) -> float:
    """Mean over the seeds of one set."""
    return float(np.mean([figure(found, *of) for key, found in whole.items() if key[0] == name]))


def _of(found: dict, base: str, target: str) -> float:
    return found[base][target]


def _tau(found: dict, score: str, target: str) -> float:
    values, truths = ([one[key] for one in found.values()] for key in (score, target))
    return float(weightedtau(truths, values).statistic)


def _regret(found: dict, score: str, target: str) -> float:
    chosen = max(found.values(), key=lambda one: one[score])
    return 100 * (max(one[target] for one in found.values()) - chosen[target])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measure", choices=["scores", *TRAINED, "summary"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--bases", nargs="+", help="as for tl-keras rank --backbones")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin nothing after so many"
    )
    options = parser.parse_args()
    summary(options) if options.measure == "summary" else measure(options)


if __name__ == "__main__":
    main()
