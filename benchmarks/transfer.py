"""How well a backbone transfers: linear probe and few-image fine-tune on four real sets.

    python benchmarks/transfer.py --output transfer.json

Three bases: the bundled one, the same on random weights, and MobileNetV2 0.35 with its ImageNet
weights at 128 px (its weights must stand in KERAS_HOME).  Probe: logistic regression (L2, C = 0.1)
on standardised pooled features.  Fine-tune: 40 images a class, the ``fine_tune`` recipe for 30 + 5
epochs; no test image chooses anything.  Mean of three seeds; on sets that bring no split the seed
also draws the halves.  Finished figures are kept in OUTPUT and not measured again.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from real_sets import few, load_set
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tl_keras as tl
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.training.features import extract_features
from tl_keras.training.inputs import batches_of
from tl_keras.training.recipes import RECIPES

SETS = ("hymenoptera", "pets", "fashion", "magnetic-tile")
NAME, SHIPPED = next(iter(bundled_backbones().items()))
BASES = {
    "bundled": (NAME, "bundled", SHIPPED["image_size"]),
    "random": (NAME, None, SHIPPED["image_size"]),
    "ImageNet MobileNetV2 0.35": ("mobilenet_v2_035", "imagenet", 128),
}


def _model(base: str, classes: int, seed: int):
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    backbone, weights, size = BASES[base]
    return tl.build_classifier(backbone, classes, image_size=size, weights=weights), size


def probe(base: str, name: str, seed: int) -> float:
    train, test = load_set(name, seed)
    model, size = _model(base, len(train.class_names), seed)
    (x, y), (u, v) = (
        extract_features(model, batches_of(part, batch_size=32, image_size=size), name, False)
        for part in (train, test)
    )
    regression = LogisticRegression(C=0.1, max_iter=2000)
    return float(make_pipeline(StandardScaler(), regression).fit(x, y).score(u, v))


def fine_tune(base: str, name: str, seed: int) -> float:
    train, test = load_set(name, seed)
    train = few(train, 40, seed)
    model, _ = _model(base, len(train.class_names), seed)
    recipe = RECIPES["fine_tune"]
    head = replace(recipe.stages[0], epochs=30)
    recipe = replace(recipe, stages=(head, replace(recipe.stages[1], epochs=5)))
    run = tl.fit(model, train, recipe=recipe, seed=seed, verbose=False)
    return run.evaluate(test)["accuracy"]["value"]


def table(results: dict) -> str:
    lines = ["| measure | set | " + " | ".join(BASES) + " |", "|---|---|" + "---|" * len(BASES)]
    for measure in ("probe", "fine_tune"):
        for name in SETS:
            cells = []
            for base in BASES:
                values = [
                    v for k, v in results.items() if k.startswith(f"{measure}/{base}/{name}/")
                ]
                cells.append(f"{np.mean(values):.3f} ± {np.std(values):.3f}" if values else "-")
            lines.append(f"| {measure.replace('_', '-')} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("transfer.json"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bases", nargs="*", default=list(BASES), choices=list(BASES))
    parser.add_argument("--measures", nargs="*", default=["probe", "fine_tune"])
    options = parser.parse_args()
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    for measure in options.measures:
        for base in options.bases:
            for name in SETS:
                for seed in range(options.seeds):
                    key = f"{measure}/{base}/{name}/{seed}"
                    if key in results:
                        continue
                    began = time.perf_counter()
                    results[key] = {"probe": probe, "fine_tune": fine_tune}[measure](
                        base, name, seed
                    )
                    options.output.write_text(json.dumps(results, indent=1))
                    seconds = time.perf_counter() - began
                    print(
                        f"{key} {results[key]:.3f} ({seconds:.0f} s)", file=sys.stderr, flush=True
                    )
    print(table(results))


if __name__ == "__main__":
    main()
