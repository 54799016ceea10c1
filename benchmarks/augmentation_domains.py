"""Does a preset made for surfaces beat one made for photographs on surfaces?

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/augmentation_domains.py

Magnetic tiles: defect (five kinds) or none, half of the images of each kind to train on and half
to test on, drawn by the seed.  MobileNetV2 0.35 at 224 px, images padded to a square so that no
defect is cut off; the head on cached features, then all layers for twelve epochs, in which the
preset acts.  Measured are the weights of the last epoch: there is no validation part, and training
accuracy, by which ``fit`` then keeps an epoch, is lower the stronger the augmentation.  Figures:
area under the ROC curve of "defect" on the test half, once from the image as it is and once
averaged over the preset's own views (test-time augmentation).  They are kept in --output.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from real_sets import SHARED

import tl_keras as tl

PRESETS = ("none", "light", "standard", "texture")


def halves(seed: int):
    """Training and test examples, halved within each kind of defect, labelled defect or not."""
    files = sorted((SHARED / "magnetic-tile").glob("MT_*/*.jpg"))
    if not files:
        raise SystemExit(f"{SHARED / 'magnetic-tile'} is not there; this benchmark needs it")
    kinds = [file.parent.name for file in files]
    parts = tl.data.from_files(files, kinds, progress=False).split(0.5, seed=seed)

    def renamed(part):
        labels = ["free" if Path(p).parent.name == "MT_Free" else "defect" for p in part.paths]
        return tl.data.from_files(part.paths, labels, progress=False)

    return [renamed(part) for part in parts]


def measure(name: str, seed: int, epochs: int) -> dict:
    import keras
    from sklearn.metrics import roc_auc_score

    train, test = halves(seed)
    keras.utils.set_random_seed(seed)
    began = time.perf_counter()
    model = tl.build_classifier("mobilenet_v2_035", 2, image_size=224)
    stages = [
        tl.Stage("head", 30, learning_rate=2e-3, patience=30),
        tl.Stage("all", epochs, "all", learning_rate=2e-4, patience=epochs, augment=name),
    ]
    last: list[np.ndarray] = []
    keep = keras.callbacks.LambdaCallback(on_train_end=lambda _: last.extend(model.get_weights()))
    run = tl.fit(
        model, train, recipe=stages, resize="pad", seed=seed, cache="memory", verbose=False,
        callbacks=[keep],
    )  # fmt: skip
    model.set_weights(last)
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        predictor = tl.load(run.save(Path(folder) / "run"))
    column = predictor.names.index("defect")
    defect = np.array(test.class_names)[test.labels] == "defect"
    found = {
        tta: roc_auc_score(defect, predictor.probabilities(test.paths, tta)[:, column])
        for tta in ("none", name)
    }
    return {
        "auroc": found["none"], "with_tta": found[name], "seconds": seconds,
        "images": [len(train), len(test)],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("augmentation_domains.json"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, seed = options.one
        print(json.dumps(measure(name, int(seed), options.epochs)))
        return
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    for seed in range(options.seeds):
        for name in PRESETS:
            key = f"{name}/{seed}"
            if key not in results:
                command = [sys.executable, __file__, "--one", name, str(seed)]
                command += ["--epochs", str(options.epochs)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                results[key] = json.loads(done.stdout.splitlines()[-1])
                options.output.write_text(json.dumps(results, indent=1))
                print(key, results[key], file=sys.stderr, flush=True)
    print("| preset | AUROC | AUROC, its views averaged | each seed |\n|---|---|---|---|")
    for name in PRESETS:
        rows = [results[f"{name}/{seed}"] for seed in range(options.seeds)]
        cells = [
            f"{np.mean([row[key] for row in rows]):.4f} ± {np.std([row[key] for row in rows]):.4f}"
            for key in ("auroc", "with_tta")
        ]
        each = ", ".join(f"{row['auroc']:.4f}" for row in rows)
        print(f"| {name} | {cells[0]} | {cells[1]} | {each} |")


if __name__ == "__main__":
    main()
