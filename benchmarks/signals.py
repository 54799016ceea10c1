"""Signals turned into images against classical methods on the signals themselves.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/signals.py --output signals.json

MobileNetV2 0.35 with its ImageNet weights; mean and standard deviation of three seeds, each in a
process of its own.  Digits are split by speaker (four train, two test), mouse tracks by user (five
train, three test; people against scripted tracks made from their own windows), the series bring
their TRAIN and TEST.

How each set is rendered and trained is the best of its candidates on the training part alone: the
series' kinds by a logistic regression on features of the frozen backbone, five folds, repeated;
digits and mouse by leaving out a speaker or user at a time, in whole runs of ``tl.fit``.  Then all
of the training part trains for the recipe's full length; the test part chooses nothing, nor any
epoch.  Nothing is mirrored.

Baselines on the same split: nearest centroid (series: the values; digits: means and deviations of
13 MFCC; mouse: ten figures of speed and curvature) and 1-NN by dynamic time warping in a band of a
tenth of the length (digits: 13 MFCC at 50 moments; mouse: the path at its events, scaled; windows
of full length only).
Finished figures are kept in OUTPUT.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from signal_sets import SERIES, SETS, SHARED, VALIDATION_GROUPS, WINDOW, pictures, without_groups

BACKBONE = "mobilenet_v2_035"


def stages(epochs, rate=1e-3, augment="none"):
    """The head on frozen features, then, if there are epochs, everything."""
    from tl_keras import Stage

    head = Stage("head", epochs=20 if epochs else 200, learning_rate=2e-3, patience=200)
    rest = Stage(
        "all", epochs=max(1, epochs), unfreeze="all", learning_rate=rate, augment=augment,
        patience=200,
    )  # fmt: skip
    return (head, rest) if epochs else (head,)


def candidates(name):
    """Name -> (how to render, stages, rate of the lowest layers relative to the head's)."""
    from tl_keras.convert import SeriesImage, SoundImage, TrackImage
    from tl_keras.convert.series_image import KINDS

    if name in SERIES:
        # The two univariate sets are normalised by their makers: their level says nothing.
        scales = ("series", "dataset") if name == "BasicMotions" else ("series",)
        return {
            f"{kind}, by {scale}": (SeriesImage(kind, scale=scale), stages(0), 0.1)
            for scale in scales
            for kind in KINDS
        }
    if name == "mouse":
        image = TrackImage(size=128, events=WINDOW)
        return {
            "path, frozen": (image, stages(0), 0.1),
            "path, all layers": (image, stages(15, 5e-4), 0.3),
        }
    image = SoundImage(size=128, sample_rate=8000, seconds=1.0, n_fft=256, hop=64, n_mels=64)
    return {
        "log-mel, frozen": (image, stages(0), 0.1),
        "log-mel, all layers": (image, stages(40, 2e-3), 1.0),
        "log-mel, all layers, covered": (image, stages(40, 2e-3, "spectrogram"), 1.0),
    }


def trained(train, candidate, seed):
    """A run of all of ``train``, without any look at other data."""
    import keras

    import tl_keras as tl
    from tl_keras.training.recipes import Recipe

    image, schedule, bottom_rate = candidate
    keras.utils.set_random_seed(seed)
    model = tl.build_classifier(BACKBONE, len(train.class_names), image_size=image.size)
    recipe = Recipe("signals", schedule, bottom_rate=bottom_rate)
    return tl.fit(model, train, recipe=recipe, seed=seed, verbose=False)


def validate(name, candidate):
    """Accuracy of a candidate within the training part."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import tl_keras as tl
    from tl_keras.training.features import extract_features
    from tl_keras.training.inputs import batches_of

    with tempfile.TemporaryDirectory() as folder:
        image, *_ = candidate
        train, _ = pictures(name, image, Path(folder, "pictures"))
        if name not in SERIES:
            scores = []
            for held in VALIDATION_GROUPS[name]:
                others, left_out = without_groups(train, held)
                run = trained(others, candidate, 0)
                scores.append(run.evaluate(left_out)["accuracy"]["value"])
            return scores
        model = tl.build_classifier(BACKBONE, len(train.class_names), image_size=image.size)
        batches = batches_of(replace(train, splits=(None,) * len(train)), batch_size=32,
                             image_size=image.size)  # fmt: skip
        x, y = extract_features(model, batches, name, False)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    return [float(cross_val_score(probe, x, y, cv=folds).mean())]


def measure(name, candidate, seed):
    """Trains once on the training part; accuracy and confusion on the test part."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = pictures(name, candidate[0], Path(folder, "pictures"))
        run = trained(train, candidate, seed)
        metrics = run.evaluate(test)
    return {
        "accuracy": metrics["accuracy"]["value"],
        "confusion": metrics["confusion_matrix"],
        "classes": list(train.class_names),
        "images": [len(train), len(test)],
        "seconds": round(run.seconds, 1),
    }


def chosen(name, results):
    """The candidate with the best mean validation; the first of equals."""
    found = {key: np.mean(results[f"{name}, {key}"]["validation"]) for key in candidates(name)}
    return max(found, key=found.get)


def table(results):
    lines = [
        "| set | train / test | chosen on train | accuracy | nearest centroid | 1-NN DTW |",
        "|---|---|---|---|---|---|",
    ]
    for name in SETS:
        runs = [value for key, value in results.items() if key.startswith(f"{name}/")]
        classical = results.get(f"{name} classical")
        if runs and classical:
            accuracy = [run["accuracy"] for run in runs]
            lines.append(
                f"| {name} | {runs[0]['images'][0]} / {runs[0]['images'][1]} | "
                f"{chosen(name, results)} | {np.mean(accuracy):.3f} ± {np.std(accuracy):.3f} | "
                f"{classical['centroid']:.3f} | {classical['dtw']:.3f} |"
            )
    return "\n".join(lines)


def validations(results):
    lines = ["", "| set | candidate | accuracy left out of the training part |", "|---|---|---|"]
    for name in SETS:
        for key in candidates(name):
            found = results.get(f"{name}, {key}")
            if found:
                shown = ", ".join(f"{value:.3f}" for value in found["validation"])
                lines.append(f"| {name} | {key} | {shown} |")
    return "\n".join(lines)


def confusion(results):
    """Of the digits, all seeds together, in shares of each row."""
    runs = [value for key, value in results.items() if key.startswith("spoken digits/")]
    if not runs:
        return ""
    total = np.sum([run["confusion"] for run in runs], axis=0)
    total = total / total.sum(axis=1, keepdims=True)
    names = runs[0]["classes"]
    lines = ["", "spoken / heard  " + "  ".join(f"{name:>4}" for name in names)]
    for name, row in zip(names, total, strict=True):
        lines.append(f"{name:>14}  " + "  ".join(f"{share:4.2f}" for share in row))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("signals.json"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, key, seed = options.one
        candidate = candidates(name)[key]
        if seed == "validation":
            print(json.dumps({"validation": validate(name, candidate)}))
        else:
            print(json.dumps(measure(name, candidate, int(seed))))
        return
    if not SHARED.is_dir():
        raise SystemExit(f"{SHARED} is not there; this benchmark needs the real data sets")
    results = json.loads(options.output.read_text()) if options.output.exists() else {}

    def keep(key, value):
        results[key] = value
        options.output.write_text(json.dumps(results, indent=1))
        short = {k: v for k, v in value.items() if k not in ("confusion", "classes")}
        print(key, short, file=sys.stderr, flush=True)

    def one(key, *words):
        if key not in results:
            command = [sys.executable, __file__, "--one", *words]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            keep(key, json.loads(done.stdout.splitlines()[-1]))

    from signal_baselines import baselines

    for name in options.only:
        if f"{name} classical" not in results:
            keep(f"{name} classical", baselines(name))
        for key in candidates(name):
            one(f"{name}, {key}", name, key, "validation")
        for seed in range(options.seeds):
            one(f"{name}/{seed}", name, chosen(name, results), str(seed))
    print(table(results))
    print(validations(results))
    print(confusion(results))


if __name__ == "__main__":
    main()
