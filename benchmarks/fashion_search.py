"""Search in a catalogue by likeness: the well-known script, ours untrained, ours fine-tuned.

    KERAS_HOME=folder/with/weights python benchmarks/fashion_search.py ../shared/data/fashion

The script is the one of many tutorials: a frozen base, global max pooling, vectors of length 1 and
brute-force nearest neighbours by Euclidean distance; here with the same base as ours, so that the
base makes no difference.  Ours untrained is ``build_embedder(dimension=None)``; ours fine-tuned is
``tl.fit`` on one half of the products, of which a fifth says when to stop, and all three are tried
on the other half.  Byte-identical pictures are left out.  Every product of that half searches among
its others, itself left out; relevant is what has its article type.  Types with one product in a
half have nothing to find and are not measured.  Mean and spread over seeds, which change halves,
head and order.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

import tl_keras as tl
from tl_keras.evaluation import evaluate_retrieval

BASE, SIZE = "mobilenet_v2_035", 224


def products(folder: Path) -> tl.data.Examples:
    examples = tl.data.from_csv(folder / "styles.csv", label="articleType", progress=False)
    first = {digest: row for row, digest in reversed(list(enumerate(examples.digests)))}
    return examples.subset(sorted(first.values()))


def parted(examples: tl.data.Examples, share: float, seed: int) -> list[tl.data.Examples]:
    """Two parts, type by type; of a type whose share is no whole number, chance decides."""
    rng, first = np.random.default_rng(seed), []
    for label in np.unique(examples.labels):
        rows = rng.permutation(np.flatnonzero(examples.labels == label))
        wanted = len(rows) * share
        first += rows[: int(wanted) + (rng.random() < wanted % 1)].tolist()
    chosen = np.isin(np.arange(len(examples)), first)
    return [examples.subset(np.flatnonzero(chosen)), examples.subset(np.flatnonzero(~chosen))]


def vectors(model: keras.Model, examples: tl.data.Examples) -> np.ndarray:
    batches = examples.dataset(32, SIZE)
    return np.concatenate([model.predict_on_batch(images) for images, _ in batches])


def script(examples: tl.data.Examples) -> np.ndarray:
    base = tl.build_backbone(BASE, SIZE, "imagenet")
    image = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalMaxPooling2D()(base(image / 127.5 - 1))
    found = vectors(keras.Model(image, pooled), examples)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def figures(found: np.ndarray, examples: tl.data.Examples) -> dict:
    names = [examples.class_names[label] for label in examples.labels]
    return evaluate_retrieval(found, names, ks=(1, 5, 10), depth=100)


def measure(examples: tl.data.Examples, seed: int, options: argparse.Namespace) -> dict:
    half, test = parted(examples, 0.5, seed)
    train, val = parted(half, 0.8, seed)
    found = {"script": figures(script(test), test)}
    untrained = tl.build_embedder(BASE, None, image_size=SIZE)
    found["untrained"] = figures(vectors(untrained, test), test)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    began = time.process_time()
    model = tl.build_embedder(BASE, image_size=SIZE)
    run = tl.fit(
        model, train, val, recipe=options.recipe, loss=options.loss, seed=seed, verbose=False
    )
    seconds = time.process_time() - began
    found["fine-tuned"] = figures(vectors(run.final, test), test)
    return {"figures": found, "processor_seconds": seconds, "test": len(test), "train": len(half)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with styles.csv and images/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--loss")
    parser.add_argument("--output", type=Path, help="also write all figures there, as JSON")
    options = parser.parse_args()
    examples = products(options.data)
    rows = []
    for seed in range(options.seeds):
        rows.append(measure(examples, seed, options))
        said = {
            way: {k: round(one["value"], 3) for k, one in found["precision"].items()}
            for way, found in rows[-1]["figures"].items()
        }
        print(f"seed {seed}: {said}, {rows[-1]['processor_seconds']:.0f} processor s", flush=True)
        if options.output:
            options.output.write_text(json.dumps(rows))
    print(f"\n{len(examples)} products; halves of {rows[0]['train']} and {rows[0]['test']}")
    print(f"{'':<12} {'P@1':>15} {'P@5':>15} {'P@10':>15} {'mAP@100':>15}")
    for way in rows[0]["figures"]:
        cells = []
        for name, k in (("precision", "1"), ("precision", "5"), ("precision", "10"), ("map", "")):
            found = [row["figures"][way] for row in rows]
            values = [
                one[name][k]["value"] if k else one["mean_average_precision"]["value"]
                for one in found
            ]
            cells.append(f"{np.mean(values):.3f} ± {np.std(values):.3f}")
        print(f"{way:<12} " + " ".join(f"{cell:>15}" for cell in cells))


if __name__ == "__main__":
    main()
