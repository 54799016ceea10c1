"""Signals turned into images against classical methods on the signals themselves.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/signals.py --output signals.json

MobileNetV2 0.35 with its ImageNet weights; mean and standard deviation of three seeds, each in a
process of its own.  Digits are split by speaker (four train, two test), mouse tracks by user (five
train, three test; people against scripted tracks made from their own windows), the series bring
their TRAIN and TEST.  How each is rendered and trained was chosen by cross-validation within the
training part (leaving out speakers, users, or a fifth of the series); the test part chose nothing,
nor does any epoch: all of the training part trains, for the recipe's full length.  No mirroring.

Baselines on the same split: nearest centroid (series: the values; digits: means and deviations of
13 MFCC; mouse: ten figures of speed and curvature) and 1-NN by dynamic time warping in a band of a
tenth of the length (digits: 13 MFCC at 50 moments; mouse: the path at its events, scaled).
Finished figures are kept in OUTPUT.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
BACKBONE = "mobilenet_v2_035"
SETS = ("spoken digits", "GunPoint", "ArrowHead", "BasicMotions", "mouse")
TEST_GROUPS = {
    "spoken digits": ("theo", "yweweler"),
    "mouse": ("user23", "user29", "user35"),
}
WINDOW = 200  # movements of the mouse


def settings_of(name):
    """How a set is rendered."""
    from tl_keras.convert import SeriesImage, SoundImage, TrackImage

    return {
        "spoken digits": SoundImage(
            size=128, sample_rate=8000, seconds=1.0, n_fft=256, hop=64, n_mels=64
        ),
        "GunPoint": SeriesImage("line"),
        "ArrowHead": SeriesImage("gadf"),
        "BasicMotions": SeriesImage("gasf", scale="dataset"),
        "mouse": TrackImage(events=WINDOW),
    }[name]


def recipe_of(name):
    """How a set is trained."""
    from tl_keras.training.recipes import RECIPES

    return RECIPES["feature_extraction"]


def pictures(name, folder):
    """Converts a set; (train, test) examples."""
    from tl_keras import convert

    image = settings_of(name)
    if name == "spoken digits":
        source, names = SHARED / "spoken-digits", "{label}_{group}_*"
        examples = convert.sound(source, folder, image, names=names, progress=False)
    elif name == "mouse":
        examples = convert.tracks(
            SHARED / "mouse", folder, image, names="{group}/*", scripted=True, progress=False
        )
    else:
        examples = convert.series(SHARED / "time-series" / name, folder, image, progress=False)
        return examples.part("train"), examples.part("test")
    held = np.isin(examples.groups, TEST_GROUPS[name])
    return examples.subset(np.flatnonzero(~held)), examples.subset(np.flatnonzero(held))


def measure(name, seed):
    """Trains once; accuracy and confusion on the test part."""
    import keras

    import tl_keras as tl

    with tempfile.TemporaryDirectory() as folder:
        train, test = pictures(name, Path(folder, "pictures"))
        keras.utils.set_random_seed(seed)
        size = settings_of(name).size
        model = tl.build_classifier(BACKBONE, len(train.class_names), image_size=size)
        run = tl.fit(model, train, recipe=recipe_of(name), seed=seed, verbose=False)
        metrics = run.evaluate(test)
    return {
        "accuracy": metrics["accuracy"]["value"],
        "confusion": metrics["confusion_matrix"],
        "classes": list(train.class_names),
        "images": [len(train), len(test)],
        "seconds": round(run.seconds, 1),
    }


def signals(name):
    """The signals themselves: sequences (N, n, C), features (N, F), labels, and who is test."""
    if name == "spoken digits":
        return digit_signals()
    if name == "mouse":
        return mouse_signals()
    from tl_keras.convert.time_series import load_series

    sets = load_series(SHARED / "time-series" / name)
    found = [one for one in sets if hasattr(one, "values")]
    values = np.stack([one.values for one in found])
    test = np.array([one.split == "test" for one in found])
    return values, values.reshape(len(values), -1), np.array([one.label for one in found]), test


def digit_signals():
    """13 MFCC (DCT-II of 40 log-mel bands, the first coefficient, loudness, included)."""
    from scipy.fft import dct

    from tl_keras.convert import mel_spectrogram
    from tl_keras.convert.sound_files import read_sound

    sequences, features, labels, test = [], [], [], []
    for path in sorted((SHARED / "spoken-digits").glob("*.wav")):
        label, speaker, _ = path.stem.split("_")
        samples, rate = read_sound(str(path))
        levels = mel_spectrogram(samples, rate, n_fft=256, hop=64, n_mels=40, fmin=20)
        mfcc = dct(levels, axis=0, norm="ortho")[:13]
        moments = np.linspace(0, mfcc.shape[1] - 1, 50)
        whole = np.arange(mfcc.shape[1])
        sequences.append(np.stack([np.interp(moments, whole, row) for row in mfcc], axis=1))
        features.append(np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]))
        labels.append(label)
        test.append(speaker in TEST_GROUPS["spoken digits"])
    return np.stack(sequences), np.stack(features), np.array(labels), np.array(test)


def mouse_signals():
    """Windows of the same tracks, people's and scripted, as :func:`pictures` draws them."""
    from tl_keras.convert.mouse_tracks import track_windows
    from tl_keras.convert.sources import find_sources

    sources = find_sources(SHARED / "mouse", None, "{group}/*")
    sequences, features, labels, test = [], [], [], []
    for one in track_windows(sources, settings_of("mouse"), 0):
        if not hasattr(one, "track") or len(one.track) < WINDOW:
            continue
        points, times = one.track.points, one.track.times
        extent = np.ptp(points, axis=0).max()
        sequences.append((points - points.mean(axis=0)) / extent)
        steps, lasting = np.diff(points, axis=0), np.diff(times)
        lengths = np.hypot(*steps.T)
        speeds = np.log(lengths / lasting + 1)
        turns = np.abs(np.angle(np.exp(1j * np.diff(np.arctan2(steps[:, 1], steps[:, 0])))))
        features.append([
            speeds.mean(), speeds.std(), np.abs(np.diff(speeds)).mean(), turns.mean(), turns.std(),
            (turns < 0.05).mean(), (lengths < 1).mean(), lengths.sum() / extent,
            (np.abs(steps) < 1).mean(), np.log(lengths + 1).std(),
        ])  # fmt: skip
        labels.append(one.label)
        test.append(one.source.group in TEST_GROUPS["mouse"])
    return np.stack(sequences), np.array(features), np.array(labels), np.array(test)


def baselines(name):
    """Accuracy of both classical methods on the test part."""
    from nearest import nearest_by_dtw, nearest_centroid

    sequences, features, labels, test = signals(name)
    train = ~test
    centroid = nearest_centroid(features[train], labels[train], features[test])
    warped = nearest_by_dtw(sequences[train], labels[train], sequences[test])
    return {
        "centroid": float((centroid == labels[test]).mean()),
        "dtw": float((warped == labels[test]).mean()),
    }


def spread(values):
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def table(results):
    lines = [
        "| set | train / test | image | accuracy | nearest centroid | 1-NN DTW |",
        "|---|---|---|---|---|---|",
    ]
    for name in SETS:
        runs = [value for key, value in results.items() if key.startswith(f"{name}/")]
        classical = results.get(f"{name} classical")
        if runs and classical:
            image = settings_of(name)
            kind = getattr(image, "method", {"sound": "log-mel", "tracks": "path"}.get(image.kind))
            lines.append(
                f"| {name} | {runs[0]['images'][0]} / {runs[0]['images'][1]} | {kind} | "
                f"{spread([run['accuracy'] for run in runs])} | "
                f"{classical['centroid']:.3f} | {classical['dtw']:.3f} |"
            )
    return "\n".join(lines)


def confusion(results):
    """Of the digits, all seeds together, in shares of each row."""
    runs = [value for key, value in results.items() if key.startswith("spoken digits/")]
    if not runs:
        return ""
    total = np.sum([run["confusion"] for run in runs], axis=0)
    total = total / total.sum(axis=1, keepdims=True)
    names = runs[0]["classes"]
    lines = ["spoken \\ heard  " + "  ".join(f"{name:>4}" for name in names)]
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
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    if not SHARED.is_dir():
        raise SystemExit(f"{SHARED} is not there; this benchmark needs the real data sets")
    results = json.loads(options.output.read_text()) if options.output.exists() else {}

    def keep(key, value):
        results[key] = value
        options.output.write_text(json.dumps(results, indent=1))
        short = {k: v for k, v in value.items() if k not in ("confusion", "classes")}
        print(key, short, file=sys.stderr, flush=True)

    for name in options.only:
        if f"{name} classical" not in results:
            keep(f"{name} classical", baselines(name))
        for seed in range(options.seeds):
            if f"{name}/{seed}" not in results:
                command = [sys.executable, __file__, "--one", name, str(seed)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                keep(f"{name}/{seed}", json.loads(done.stdout.splitlines()[-1]))
    print(table(results))
    print(f"\n{confusion(results)}")


if __name__ == "__main__":
    main()
