"""What helps where classes are uneven: seven ways on brain-mri, as it is and made more uneven.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/imbalance.py --output imbalance.json

MobileNetV2 0.35 with its ImageNet weights at 224 px, on the data's own Training part; a fifth of
it (stratified, by the seed) chooses the epoch by its accuracy, as ``tl-keras train`` does; the
figures are those of the data's own Testing part, which chooses nothing and is much harder: six heads
on the bundled base, ``tl-keras train brain-mri --folds 3 --repeats 2``, have an accuracy of 76 % on
held-out Training scans and of 48 % on Testing.  "natural" is the part as it is once copies
of tested scans are left out: 60, 60, 49 and 60 scans, nearly even.  "1 : 10" keeps at most 60, 30,
13 and 6 scans of the classes, and the seed says which class is how rare.  "head" trains on cached
features (60 epochs at most, patience 10); "fine-tune" adds 5 epochs of the whole network.  Finished
figures are kept in OUTPUT and not measured again.

Measured on two CPU cores, per cent; mean and standard deviation over seeds, and of the difference
from "plain" at the same seed and split:

| trained, data (seeds) | way | balanced accuracy | difference | macro F1 | difference | rarest class, recall |
|---|---|---|---|---|---|---|
| head, natural (8) | plain | 51.4 ± 2.6 | | 51.4 ± 2.1 | | 47.7 ± 2.6 |
| | class weights, inverse | 51.2 ± 2.9 | -0.2 ± 0.9 | 51.5 ± 2.5 | +0.1 ± 1.0 | 49.5 ± 4.6 |
| | class weights, effective number | 51.2 ± 2.9 | -0.2 ± 0.9 | 51.5 ± 2.5 | +0.1 ± 1.0 | 49.5 ± 4.6 |
| | balanced sampling | 50.7 ± 2.2 | -0.7 ± 2.1 | 51.0 ± 1.8 | -0.4 ± 1.8 | 47.4 ± 2.9 |
| | square-root sampling | 51.5 ± 2.2 | +0.1 ± 1.6 | 51.6 ± 1.9 | +0.2 ± 1.5 | 49.0 ± 2.7 |
| | focal loss | 50.0 ± 3.1 | -1.5 ± 2.7 | 50.1 ± 2.7 | -1.3 ± 2.7 | 45.8 ± 4.0 |
| | logit-adjusted loss | 50.7 ± 3.5 | -0.7 ± 2.3 | 51.2 ± 2.8 | -0.2 ± 1.9 | 50.8 ± 4.2 |
| head, 1 : 10 (8) | plain | 42.1 ± 7.3 | | 36.6 ± 8.3 | | 14.8 ± 17.0 |
| | class weights, inverse | 44.1 ± 6.6 | +2.0 ± 2.5 | 41.0 ± 7.3 | +4.4 ± 2.7 | 27.2 ± 23.6 |
| | class weights, effective number | 44.1 ± 6.6 | +2.0 ± 2.5 | 41.0 ± 7.3 | +4.4 ± 2.7 | 27.2 ± 23.6 |
| | balanced sampling | 44.9 ± 6.4 | +2.8 ± 2.6 | 41.2 ± 7.0 | +4.6 ± 3.2 | 23.7 ± 24.0 |
| | square-root sampling | 43.7 ± 5.6 | +1.7 ± 2.9 | 39.4 ± 6.2 | +2.7 ± 3.4 | 17.9 ± 20.1 |
| | focal loss | 41.7 ± 8.0 | -0.3 ± 1.9 | 36.7 ± 8.2 | +0.0 ± 2.5 | 15.8 ± 16.5 |
| | logit-adjusted loss | **46.7 ± 5.4** | +4.7 ± 3.0 | **45.2 ± 5.7** | +8.6 ± 4.3 | **34.0 ± 21.4** |

Nearly even classes: nothing helps, and focal loss is below plain in the mean.  Uneven ones: the
logit-adjusted loss helps most, then balanced sampling and class weights, which do not differ; focal
loss does not help.  With 60 images a class at most, the effective number of samples is the inverse
frequency.  Seeds differ much by which class is rare, hence the paired differences; all seeds share the 123 test scans.
"""

# ruff: noqa: E501 (rows of a table)
import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from real_sets import load_set

import tl_keras as tl
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.recipes import RECIPES

WAYS = {
    "plain": {},
    "class weights, inverse": {"class_weights": "balanced"},
    "class weights, effective number": {"class_weights": "effective"},
    "balanced sampling": {"balance": "balanced"},
    "square-root sampling": {"balance": "sqrt"},
    "focal loss": {"loss": "focal"},
    "logit-adjusted loss": {"loss": "logit_adjusted"},
}
KEPT = (60, 30, 13, 6)
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "rarest_recall", "log_loss")


def thinned(train, seed: int):
    """At most KEPT images of the classes, the rarest another one at each seed."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in range(len(train.class_names)):
        own = rng.permutation(np.flatnonzero(train.labels == label))
        rows.append(own[: KEPT[(label + seed) % len(KEPT)]])
    return train.subset(np.sort(np.concatenate(rows)))


def recipe_of(kind: str, way: str):
    if kind == "head":
        return replace(RECIPES["feature_extraction"], **WAYS[way])
    head, everything = RECIPES["fine_tune"].stages
    stages = (head, replace(everything, epochs=5))
    return replace(RECIPES["fine_tune"], stages=stages, **WAYS[way])


def measure(kind: str, data: str, way: str, seed: int, features: FeatureCache) -> dict:
    train, test = load_set("brain-mri")
    if data != "natural":
        train = thinned(train, seed)
    rarest = int(np.argmin(np.bincount(train.labels)))
    train, val = train.split(0.2, seed=seed)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = tl.build_classifier("mobilenet_v2_035", len(train.class_names))
    run = tl.fit(
        model, train, val, recipe=recipe_of(kind, way), seed=seed, features=features, verbose=False
    )
    metrics = run.evaluate(test)
    figures = {name: metrics[name]["value"] for name in FIGURES if name in metrics}
    figures["rarest_recall"] = metrics["per_class"][rarest]["recall"]["value"]
    return {**figures, "epoch": run.best["epoch"], "images": [len(train), len(val), len(test)]}


def table(results: dict) -> str:
    names = ("balanced_accuracy", "macro_f1", "rarest_recall", "accuracy")
    lines = [
        "| trained, data | way | seeds | balanced accuracy | difference | macro F1 | difference "
        "| recall of the rarest | accuracy |",
        "|---" * 9 + "|",
    ]
    groups = dict.fromkeys(key.rsplit("/", 2)[0] for key in results)
    for group in groups:
        for way in WAYS:
            own = {
                key.rsplit("/", 1)[1]: value
                for key, value in results.items()
                if key.startswith(f"{group}/{way}/")
            }
            if not own:
                continue
            cells = []
            for name in names:
                values = 100 * np.array([row[name] for row in own.values()])
                cells.append(f"{values.mean():.1f} ± {values.std(ddof=1):.1f}")
                if name in names[:2]:
                    plain = [results[f"{group}/plain/{seed}"][name] for seed in own]
                    change = values - 100 * np.array(plain)
                    said = f"{change.mean():+.1f} ± {change.std(ddof=1):.1f}"
                    cells.append("" if way == "plain" else said)
            lines.append(
                f"| {group.replace('/', ', ')} | {way} | {len(own)} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("imbalance.json"))
    parser.add_argument("--features", type=Path, help="folder that keeps features between runs")
    parser.add_argument("--seeds", type=int, default=8, help="of the heads; fine-tunes take half")
    parser.add_argument("--kinds", nargs="*", default=["head", "fine-tune"])
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--data", nargs="*", default=["natural", "1 : 10"])
    options = parser.parse_args()
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    features = FeatureCache(options.features)
    for kind in options.kinds:
        for data in options.data:
            # Seed by seed, so that what is finished can be compared.
            for seed in range(options.seeds if kind == "head" else options.seeds // 2):
                for way in options.ways:
                    key = f"{kind}/{data}/{way}/{seed}"
                    if key in results:
                        continue
                    results[key] = measure(kind, data, way, seed, features)
                    options.output.write_text(json.dumps(results, indent=1))
                    print(key, results[key], file=sys.stderr, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
