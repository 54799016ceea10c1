"""Faces: are two pictures of one person, and who is it, of people the model never saw.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/faces.py ../shared/data/faces

The data is a folder per person (AT&T/ORL: 10 PGM pictures each).  The first 20 people, by number,
train; the others are tested.  Base, layer, size, way of resizing, recipe and its constants were
chosen by folds of the 20 alone; with ``--draw`` each seed draws its own 20, most of whom took part
in that choice on either side.  MobileNetV2 0.35 at 128 px and 1.0 at 224 px, ImageNet weights.

Verification: equal error rate over all pairs of the test people, with a 95 % interval from
resampling people.  Thresholds: the test people in three groups; one is enrolled (first five
pictures, the others are looked at), one is apart and sets the thresholds, one is unknown; mean over
the six ways.
"""

import argparse
import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import keras
import numpy as np

import tl_keras as tl
from tl_keras.builders.embedder import embedder_of
from tl_keras.evaluation.accept_rates import roc_points
from tl_keras.evaluation.plots import LIGHT, png_bytes, style_axes
from tl_keras.evaluation.verification import evaluate_verification
from tl_keras.evaluation.verification_pairs import pair_scores, verification_pairs
from tl_keras.retrieval.embedding import Embedder
from tl_keras.retrieval.face_thresholds import naming_threshold, pair_threshold

RESIZE, STRIDE, DIMENSION = "stretch", 16, 192
SMALL, LARGE = ("mobilenet_v2_035", 128), ("mobilenet_v2", 224)  # and size, px
TRAINING, SHOTS = 20, 5
PAIRS, ALARMS = 0.01, 0.05  # rates asked for
# Name -> base, stride of the map that is pooled, and the recipe; None: untrained.
METHODS = {
    "untrained": (SMALL, STRIDE, None),
    "whitening": (SMALL, STRIDE, "whitening"),
    "untrained, 1.0": (LARGE, STRIDE, None),
    "whitening, 1.0": (LARGE, STRIDE, "whitening"),
    "untrained, last map": (SMALL, None, None),
    "whitening, last map": (SMALL, None, "whitening"),
}


def people(examples: tl.data.Examples, chosen: np.ndarray) -> tl.data.Examples:
    rows = np.flatnonzero(np.isin(examples.labels, chosen))
    labels = np.searchsorted(np.sort(chosen), examples.labels[rows])
    names = tuple(examples.class_names[one] for one in np.sort(chosen))
    return replace(examples.subset(rows), labels=labels, class_names=names)


def vectors_of(train, test, method: str, seed: int) -> np.ndarray:
    (base, size), stride, recipe = METHODS[method]
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    dimension = None if recipe is None else DIMENSION
    model = tl.build_embedder(base, dimension, image_size=size, stride=stride)
    if recipe is not None:
        tl.fit(model, train, recipe=recipe, resize=RESIZE, seed=seed, verbose=False)
    return Embedder(embedder_of(model), image_size=size, resize=RESIZE, source={}).vectors(test)


def with_thresholds(vectors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What thresholds that others set do to the rest."""
    shot = np.concatenate([np.arange(count) for count in np.bincount(labels)])
    groups = np.array_split(np.unique(labels), 3)
    rows = []
    for who, apart, unknown in permutations(groups):
        enrolled, aside, others = (np.isin(labels, one) for one in (who, apart, unknown))
        cut = pair_threshold(vectors[aside], labels[aside], PAIRS)
        rest = ~aside
        first, second, same = verification_pairs(labels[rest])
        accepted = pair_scores(vectors[rest], first, second) >= cut
        gallery, probes = enrolled & (shot < SHOTS), enrolled & (shot >= SHOTS)
        cut = naming_threshold(vectors[gallery], vectors[aside], ALARMS)
        cosines = vectors @ vectors[gallery].T
        named = labels[gallery][cosines.argmax(1)]
        seen, right = cosines.max(1) >= cut, named == labels
        rows.append(
            [
                accepted[~same].mean(), accepted[same].mean(), right[probes].mean(),
                seen[others].mean(), (seen & right)[probes].mean(), (seen & ~right)[probes].mean(),
            ]
        )  # fmt: skip
    names = ("pairs_far", "pairs_tar", "rank_1", "false_alarms", "named_right", "named_wrong")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def measure(examples, method: str, seed: int, draw: bool) -> dict:
    order = np.arange(len(examples.class_names))
    if draw:
        order = np.random.default_rng(seed).permutation(order)
    train, test = people(examples, order[:TRAINING]), people(examples, order[TRAINING:])
    vectors, labels = vectors_of(train, test, method, seed), np.asarray(test.labels)
    found = evaluate_verification(vectors, labels)
    first, second, same = verification_pairs(labels)
    _, far, tar = roc_points(pair_scores(vectors, first, second), same)
    kept = np.unique(np.searchsorted(far, np.geomspace(1e-4, 1, 200)).clip(0, len(far) - 1))
    return {
        "equal_error_rate": found["equal_error_rate"],
        "at_rates": found["at_rates"],
        "roc": [far[kept].tolist(), tar[kept].tolist()],
        **with_thresholds(vectors, labels),
    }


def draw_roc(results: dict[str, list[dict]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained", facecolor=LIGHT.surface)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    style_axes(axes, LIGHT)
    axes.grid(color=LIGHT.grid, linewidth=0.7)
    for number, (method, rows) in enumerate(results.items()):
        errors = [100 * row["equal_error_rate"]["value"] for row in rows]
        label = f"{method}: equal error rate {np.mean(errors):.1f} %"
        for place, row in enumerate(rows):
            axes.plot(*row["roc"], color=f"C{number}", lw=1.4, label=None if place else label)
            error = errors[place] / 100
            axes.plot(error, 1 - error, "o", color=f"C{number}", markersize=6)
    axes.set_xscale("log")
    axes.set_xlim(1e-3, 1)
    axes.set_ylim(0.4, 1.005)
    axes.set_xlabel("false-accept rate: pairs of two people taken for one", fontsize=9)
    axes.set_ylabel("true-accept rate: pairs of one person found", fontsize=9)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return png_bytes(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with a folder per person")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS)[:4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draw", action="store_true", help="each seed draws its own 20 people")
    parser.add_argument("--output", type=Path, default=Path("faces.json"))
    parser.add_argument("--roc", type=Path, help="a PNG file for the curves of all seeds")
    options = parser.parse_args()
    examples = tl.data.from_folder(options.data, progress=False)
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    print(f"| method | equal error rate, % (95 % interval) | found at {PAIRS:.0%} false accepts, % "
          f"| with thresholds set on others: accepts false / right, % | rank 1, % "
          "| false alarms / named right / wrong, % |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    shown = {}
    for method in options.methods:
        rows = []
        # Nothing is random but the people who train.
        for seed in range(options.seeds if options.draw else 1):
            key = f"{method}/{'drawn' if options.draw else 'fixed'}/{seed}"
            if key not in results:
                results[key] = measure(examples, method, seed, options.draw)
                options.output.write_text(json.dumps(results))
            rows.append(results[key])
        shown[method] = rows
        errors = [row["equal_error_rate"]["value"] for row in rows]
        low, high = (np.mean([row["equal_error_rate"][one] for row in rows])
                     for one in ("low", "high"))  # fmt: skip
        spread = f" ± {100 * np.std(errors):.1f}" if len(rows) > 1 else ""
        found = np.mean([row["at_rates"][1]["true_accept_rate"]["value"] for row in rows])

        def mean(*names: str, rows: list[dict] = rows) -> str:
            return " / ".join(f"{100 * np.mean([row[one] for row in rows]):.1f}" for one in names)

        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        print(
            f"| {method} | {100 * np.mean(errors):.1f}{spread} ({interval}) | {100 * found:.1f} | "
            f"{mean('pairs_far', 'pairs_tar')} | {mean('rank_1')} | "
            f"{mean('false_alarms', 'named_right', 'named_wrong')} |",
            flush=True,
        )
    if options.roc:
        options.roc.write_bytes(draw_roc(shown))


if __name__ == "__main__":
    main()
