"""Accuracy of whole runs on real sets: the results table of the README.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/accuracy.py --output accuracy.json

Each line of the table is one call of ``tl.fit`` for each of three seeds, in a process of its own.
On ``hymenoptera`` the data's own ``val`` part both chooses the best epoch and is reported, as the
PyTorch tutorial that the set comes from does.  On ``pets`` and ``brain-mri`` a fifth of the
training part chooses the epoch and the figures are those of images that chose nothing: the other
half of ``pets``, the data's own Testing part of ``brain-mri``.  Finished figures are kept.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

RUNS = {
    "hymenoptera, MobileNetV2 0.35, feature_extraction": (
        "hymenoptera", "mobilenet_v2_035", "feature_extraction"),
    "hymenoptera, MobileNetV2 0.35, progressive": (
        "hymenoptera", "mobilenet_v2_035", "progressive"),
    "hymenoptera, MobileNetV2 1.0, feature_extraction": (
        "hymenoptera", "mobilenet_v2", "feature_extraction"),
    "pets, MobileNetV2 0.35, progressive": ("pets", "mobilenet_v2_035", "progressive"),
    "brain-mri, MobileNetV2 0.35, progressive": ("brain-mri", "mobilenet_v2_035", "progressive"),
}  # fmt: skip


def measure(data: str, backbone: str, recipe: str, seed: int) -> dict:
    import keras
    from real_sets import load_set

    import tl_keras as tl

    train, test = load_set(data, seed)
    crossing, val = len(train.crossing), test
    if data != "hymenoptera":
        train, val = train.split(0.2, seed=seed)
    keras.utils.set_random_seed(seed)
    began = time.perf_counter()
    model = tl.build_classifier(backbone, len(train.class_names))
    run = tl.fit(model, train, val, recipe=recipe, seed=seed)
    metrics = run.evaluate(test)
    figures = {name: metrics[name]["value"] for name in ("accuracy", "balanced_accuracy")}
    figures["majority"] = metrics["majority_baseline"]["value"]
    figures["seconds"] = time.perf_counter() - began
    figures["images"] = [len(train), len(val), len(test)]
    return figures | {"skipped": len(train.skipped), "crossing": crossing}


def main() -> None:
    import numpy as np

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("accuracy.json"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="only runs whose name holds this")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        *names, seed = options.one
        print(json.dumps(measure(*names, int(seed))))
        return
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name, names in RUNS.items():
        for seed in range(options.seeds):
            key = f"{name}/{seed}"
            if key in results or options.only not in name:
                continue
            command = [sys.executable, __file__, "--one", *names, str(seed)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[key] = json.loads(done.stdout.splitlines()[-1])
            options.output.write_text(json.dumps(results, indent=1))
            print(key, results[key], file=sys.stderr, flush=True)
    print("| run | accuracy | balanced accuracy | seconds |\n|---|---|---|---|")
    for name in RUNS:
        rows = [value for key, value in results.items() if key.startswith(f"{name}/")]
        if rows:
            cells = [
                f"{np.mean([r[k] for r in rows]):.3f} ± {np.std([r[k] for r in rows]):.3f}"
                for k in ("accuracy", "balanced_accuracy")
            ]
            seconds = np.mean([row["seconds"] for row in rows])
            print(f"| {name} | {cells[0]} | {cells[1]} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
