"""Two classical baselines for signals: the nearest class mean, and the nearest neighbour by DTW."""

import numpy as np


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
