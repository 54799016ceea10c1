"""Whether a classifier keeps its promises on images that chose nothing, and knows strange ones.

    python benchmarks/uncertainty.py train --output uncertainty/     # about a minute a run alone
    python benchmarks/uncertainty.py summary --output uncertainty/

Five real sets; on those that bring no split the seed draws the halves.  Of the first part a fifth
validates, chooses the best epoch and tunes temperature, sets and abstention; the other part is
looked at for these figures alone.  MobileNetV2 0.35 at 128 px (KERAS_HOME says where its weights
are), trained by the recipe that is asked for, fine_tune by default.  Strange images are 200 of each
of the other four sets.

Each run keeps the features of all these images and the head in one file; what is there is not run
again.  The summary is computed from them in seconds: calibration error before and after the
temperature, coverage and mean size of the sets of which 90 % are to hold the true class, what the
model answers where 10 % wrong answers are allowed, and the area under the curve (AUROC) of telling
strange images from test images by the distance from the training images, by energy, and by the
highest probability (Hendrycks and Gimpel 2017), with the share of both that is called strange.  A
second table tunes on test images and measures on the others, many times over: what the promises are
worth where both are drawn alike, which the parts that a data set brings are not always.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from real_sets import load_set, load_whole
from sklearn.metrics import roc_auc_score

import tl_keras as tl
from tl_keras.builders.head_logits import head_logits
from tl_keras.evaluation.abstaining import abstention_threshold
from tl_keras.evaluation.calibration import fit_temperature, plain_calibration_error, tempered
from tl_keras.evaluation.conformal import conformal_threshold, prediction_sets
from tl_keras.evaluation.out_of_domain import domain_of, energies, judged, neighbour_distances
from tl_keras.tasks.registry import get_task
from tl_keras.training.closed_form import softmax
from tl_keras.training.even_choice import even_positions
from tl_keras.training.features import extract_features

SETS = ("hymenoptera", "pets", "brain-mri", "magnetic-tile", "fashion")
_DRAWS = 100
BACKBONE, SIZE, STRANGERS = "mobilenet_v2_035", 128, 200


def train(options) -> None:
    """Train and keep features, logits and labels of every part."""
    until = time.monotonic() + 60 * options.minutes
    for seed in range(options.seeds):
        for name in options.sets:
            file = options.output / options.recipe / f"{name}-{seed}.npz"
            if file.exists() or time.monotonic() > until:
                continue
            began = time.perf_counter()
            found = _trained(name, seed, options.recipe)
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            with partial.open("wb") as opened:
                np.savez(opened, **found)
            partial.replace(file)
            print(f"{file.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def _trained(name: str, seed: int, recipe: str) -> dict[str, np.ndarray]:
    whole, test = load_set(name, seed)
    trained, val = whole.split(0.2, seed=seed)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = tl.build_classifier(BACKBONE, len(trained.class_names), image_size=SIZE)
    run = tl.fit(model, trained, val, recipe=recipe, seed=seed, cache="memory", verbose=False)
    parts, kept = {"train": trained, "val": val, "test": test}, {}
    for other in SETS:
        if other != name:
            strangers = load_whole(other)
            rows = np.random.default_rng(seed).permutation(len(strangers))[:STRANGERS]
            parts[f"strange-{other}"] = strangers.subset(np.sort(rows))
    logits = head_logits(run.final)
    for part, examples in parts.items():
        rows, labels = extract_features(run.final, examples.dataset(32, SIZE), part, False)
        kept |= {f"{part} x": rows, f"{part} y": labels, f"{part} logits": logits(rows)}
    return kept


def figures(kept: dict[str, np.ndarray]) -> dict:
    """What the summary shows of one run."""
    task = get_task("classify")
    names = [str(k) for k in range(kept["test logits"].shape[1])]
    settings = task.tune(kept["val y"], softmax(kept["val logits"]), {})
    promised = task.measure(kept["val y"], softmax(kept["val logits"]), names, None)
    found = task.measure(kept["test y"], softmax(kept["test logits"]), names, settings)
    rows = kept["train x"][even_positions(kept["train y"])]
    domain = domain_of(rows, kept["val x"], kept["val logits"])
    scores = {
        "neighbours": lambda part: neighbour_distances(domain.rows, kept[f"{part} x"]),
        "energy": lambda part: energies(kept[f"{part} logits"]),
        "probability": lambda part: -softmax(kept[f"{part} logits"]).max(1),
    }
    strange = [part[:-2] for part in kept if part.startswith("strange-") and part.endswith(" x")]
    auroc = {
        score: {part[8:]: _auroc(of("test"), of(part)) for part in strange}
        for score, of in scores.items()
    }
    flagged = {
        part: float(np.mean([one.unlike for one in judged(
            domain, kept[f"{part} x"], kept[f"{part} logits"]
        )]))
        for part in ("test", *strange)
    }  # fmt: skip
    return {
        "redrawn": _redrawn(kept["test y"], softmax(kept["test logits"]), len(kept["val y"])),
        "images": {part: len(kept[f"{part} y"]) for part in ("train", "val", "test")},
        "settings": settings, "test": _short(found), "on validation": _short(promised),
        "auroc": auroc, "flagged": flagged,
    }  # fmt: skip


def _redrawn(labels: np.ndarray, probabilities: np.ndarray, images: int) -> dict[str, float]:
    """Means over draws of as many test images as validated, which tune in their place.

    Then both sides are drawn alike, as the promises presume, and no epoch was chosen by them.
    """
    rng, found = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        order = rng.permutation(len(labels))
        own, rest = order[:images], order[images:]
        temperature = fit_temperature(labels[own], probabilities[own])
        before = probabilities[rest]
        seen, after = (tempered(probabilities[rows], temperature) for rows in (own, rest))
        sets = prediction_sets(after, conformal_threshold(labels[own], seen, 0.9))
        answered = after.max(1) >= abstention_threshold(labels[own], seen, 0.1)
        right = after.argmax(1) == labels[rest]
        found.append({
            "coverage": sets[np.arange(len(rest)), labels[rest]].mean(),
            "wrong": (answered & ~right).mean(),
            "loss before": -np.log(before[np.arange(len(rest)), labels[rest]]).mean(),
            "loss after": -np.log(after[np.arange(len(rest)), labels[rest]]).mean(),
            "before": plain_calibration_error(labels[rest], before),
            "after": plain_calibration_error(labels[rest], after),
        })  # fmt: skip
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def _short(metrics: dict) -> dict:
    calibration = metrics["calibration"]
    return {
        "accuracy": metrics["accuracy"],
        "log_loss": metrics["log_loss"],
        "temperature": calibration["temperature"],
        "before": calibration["before"]["expected_calibration_error"],
        "after": calibration["after"]["expected_calibration_error"],
        **{key: metrics[key] for key in ("sets", "abstention") if key in metrics},
    }


def _auroc(usual: np.ndarray, strange: np.ndarray) -> float:
    truths = np.repeat([0, 1], [len(usual), len(strange)])
    return float(roc_auc_score(truths, np.concatenate([usual, strange])))


def summary(options) -> None:
    """Tables: means over seeds; coverage with the interval of all test images together."""
    folder = options.output / options.recipe
    runs: dict[str, list[dict]] = {}
    for name in options.sets:
        for file in sorted(folder.glob(f"{name}-*.npz")):
            with np.load(file) as kept:
                runs.setdefault(name, []).append(figures(dict(kept)))
    if not runs:
        raise SystemExit(f"{folder} holds no run; train first")
    (folder / "figures.json").write_text(json.dumps(runs, indent=1))
    print("| set | runs | val, test images | accuracy | error before | after | temperature | "
          "coverage (90 % promised) | mean size | answered | of these right | wrong of all (10 % "
          "allowed) |\n|" + "---|" * 12)  # fmt: skip
    for name, found in runs.items():
        tests = [one["test"] for one in found]
        images = found[0]["images"]
        print(
            f"| {name} | {len(found)} | {images['val']}, {images['test']} | "
            f"{_mean(tests, 'accuracy', 'value'):.1f} | {_mean(tests, 'before', 'value'):.1f} | "
            f"{_mean(tests, 'after', 'value'):.1f} | "
            f"{np.mean([one['temperature'] for one in tests]):.2f} | "
            f"{_mean(tests, 'sets', 'coverage', 'value'):.1f} "
            f"({_mean(tests, 'sets', 'coverage', 'low'):.1f} to "
            f"{_mean(tests, 'sets', 'coverage', 'high'):.1f}) | "
            f"{_mean(tests, 'sets', 'mean_size') / 100:.2f} | "
            f"{_mean(tests, 'abstention', 'answered', 'value'):.1f} | "
            f"{_mean(tests, 'abstention', 'accuracy', 'value'):.1f} | "
            f"{_mean(tests, 'abstention', 'wrong', 'value'):.1f} |"
        )
    print("\nTuned on as many test images, and measured on the others, mean of 100 draws:\n"
          "| set | error before | after | loss before | after | coverage (90 % promised) | wrong "
          "of all (10 % allowed) |\n|" + "---|" * 7)  # fmt: skip
    for name, found in runs.items():
        drawn = [one["redrawn"] for one in found]
        print(
            f"| {name} | {_mean(drawn, 'before'):.1f} | {_mean(drawn, 'after'):.1f} | "
            f"{_mean(drawn, 'loss before') / 100:.3f} | {_mean(drawn, 'loss after') / 100:.3f} | "
            f"{_mean(drawn, 'coverage'):.1f} | {_mean(drawn, 'wrong'):.1f} |"
        )
    print("\n| set | AUROC by neighbours (lowest of the four) | by energy | by probability | test "
          "images called strange | strange ones |\n|" + "---|" * 6)  # fmt: skip
    for name, found in runs.items():
        cells = []
        for score in ("neighbours", "energy", "probability"):
            values = [list(one["auroc"][score].values()) for one in found]
            cells.append(f"{np.mean(values):.3f} ({np.mean(values, 0).min():.3f})")
        usual = np.mean([one["flagged"]["test"] for one in found])
        strange = np.mean([np.mean(list(one["flagged"].values())[1:]) for one in found])
        print(f"| {name} | {' | '.join(cells)} | {100 * usual:.1f} % | {100 * strange:.1f} % |")


def _mean(found: list[dict], *keys: str) -> float:
    """Mean over runs of one figure, in per cent."""
    values = []
    for one in found:
        for key in keys:
            one = one[key]
        values.append(one)
    return 100 * float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measure", choices=["train", "summary"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--recipe", default="fine_tune")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin nothing after so many"
    )
    options = parser.parse_args()
    summary(options) if options.measure == "summary" else train(options)


if __name__ == "__main__":
    main()
