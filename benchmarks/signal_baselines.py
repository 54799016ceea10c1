"""Two classical baselines for signals: the nearest class mean, and the nearest neighbour by DTW."""

import numpy as np
from signal_sets import SHARED, TEST_GROUPS, WINDOW


def nearest_centroid(train, labels, test):
    """Classes of ``test`` (M, F) by the nearest mean of the standardised rows of ``train``."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    train, test = ((x - mean) / np.where(spread > 0, spread, 1) for x in (train, test))
    classes = np.unique(labels)
    centroids = np.stack([train[labels == label].mean(axis=0) for label in classes])
    squares = ((test[:, None] - centroids[None]) ** 2).sum(axis=2)
    return classes[squares.argmin(axis=1)]


def nearest_by_dtw(train, labels, test, band=0.1):
    """Classes of ``test`` (M, n, C) by the nearest of ``train`` (N, n, C) in time-warped distance.

    Dependent warping of all channels (squared Euclidean steps) within a Sakoe-Chiba band of
    ``band * n`` samples (Sakoe & Chiba 1978); all series have the same length.
    """
    return labels[[dtw(one, train, band).argmin() for one in test]]


def dtw(one, others, band):
    """Squared time-warped distances of ``one`` (n, C) to ``others`` (N, n, C)."""
    length = len(one)
    reach = max(1, round(band * length))
    before = np.full((length + 1, len(others)), np.inf)
    before[0] = 0
    for i in range(length):
        now = np.full_like(before, np.inf)
        low, high = max(0, i - reach), min(length, i + reach + 1)
        costs = ((others[:, low:high] - one[i]) ** 2).sum(axis=2).T
        for j in range(low, high):
            best = np.minimum(np.minimum(before[j], before[j + 1]), now[j])
            now[j + 1] = costs[j - low] + best
        before = now
    return before[length]


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
    from tl_keras.convert import TrackImage
    from tl_keras.convert.mouse_tracks import track_windows
    from tl_keras.convert.sources import find_sources

    sources = find_sources(SHARED / "mouse", None, "{group}/*")
    sequences, features, labels, test = [], [], [], []
    for one in track_windows(sources, TrackImage(events=WINDOW), 0):
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
    sequences, features, labels, test = signals(name)
    train = ~test
    centroid = nearest_centroid(features[train], labels[train], features[test])
    warped = nearest_by_dtw(sequences[train], labels[train], sequences[test])
    return {
        "centroid": float((centroid == labels[test]).mean()),
        "dtw": float((warped == labels[test]).mean()),
    }
