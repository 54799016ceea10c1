"""Multi-label tagging of a catalogue: article type, colour and gender of products together.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/tagging.py ../shared/data/fashion

Tags that fewer than ``--fewest`` images have are left out.  A fifth of the images, stratified by
tags, is held out; thresholds are tuned on a fifth of the others, which also chooses the epoch.
The same split and recipe for the base with ImageNet weights, the shipped base and a base of random
weights (its BatchNorm calibrated on one batch).  Mean and spread over seeds, which change split,
head and order.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

import tl_keras as tl
from tl_keras.backbones.calibration import calibrate_batch_norm

BASES = (
    ("mobilenet_v2_035", "imagenet", 128),
    ("mobilenet_v3_small", "bundled", 128),
    ("mobilenet_v2_035", None, 128),
)
FIGURES = ("mean_average_precision", "macro_f1", "micro_f1")


def products(folder: Path, fewest: int) -> tl.data.Examples:
    columns = ["articleType", "baseColour", "gender"]
    examples = tl.data.from_csv(folder / "styles.csv", tags=columns, label=False, progress=False)
    kept = np.flatnonzero((examples.tags == 1).sum(axis=0) >= fewest)
    names = tuple(examples.tag_names[t] for t in kept)
    return replace(examples, tags=examples.tags[:, kept], tag_names=names)


def measure(examples, base: str, weights: str | None, size: int, seed: int, recipe: str) -> dict:
    rest, test = examples.split(0.2, seed=seed)
    train, val = rest.split(0.2, seed=seed)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = tl.build_tagger(base, len(train.tag_names), image_size=size, weights=weights)
    if weights is None:
        images, _ = next(iter(train.dataset(64, size, shuffle=True, seed=seed)))
        calibrate_batch_norm(model, images)
    run = tl.fit(model, train, val, recipe=recipe, seed=seed)
    found = run.evaluate(test)
    return {name: found[name]["value"] for name in FIGURES} | {
        "guessing": found["prevalence"], "seconds": run.seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with styles.csv and images/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fewest", type=int, default=20)
    parser.add_argument("--recipe", default="feature_extraction")
    parser.add_argument("--output", type=Path, default=Path("tagging.json"))
    options = parser.parse_args()
    examples = products(options.data, options.fewest)
    print(f"{len(examples)} images, {len(examples.tag_names)} tags, recipe {options.recipe}")
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    print("| base, weights | mean average precision | macro F1 | micro F1 | guessing | s |")
    print("|---|---|---|---|---|---|")
    for base, weights, size in BASES:
        rows = []
        for seed in range(options.seeds):
            key = f"{base}/{weights}/{options.recipe}/{seed}"
            if key not in results:
                results[key] = measure(examples, base, weights, size, seed, options.recipe)
                options.output.write_text(json.dumps(results))
            rows.append(results[key])
        columns = [[row[name] for row in rows] for name in FIGURES]
        cells = [f"{np.mean(column):.3f} ± {np.std(column):.3f}" for column in columns]
        guess, seconds = (np.mean([row[name] for row in rows]) for name in ("guessing", "seconds"))
        print(
            f"| {base}, {weights} | {' | '.join(cells)} | {guess:.3f} | {seconds:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
