"""Near copies: re-encoded, resized, brightened or slightly cropped pictures, bursts, frames."""

from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.checking.grouping import connected, members
from tl_keras.data.checking.hashing import grey, pairs_within
from tl_keras.data.checking.neighbours import nearest, unit_rows
from tl_keras.data.checking.pictures import Pictures
from tl_keras.data.checking.targets import same_targets
from tl_keras.data.examples import PARTS

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

# Of 63 bits.  Unrelated photographs differ in about 31; copies that were re-encoded, resized or
# brightened by 40 % stay within 10 in 99 of 100 cases, those cropped by 2 % on each side too.
_BITS = 10
# Share of the thumbnails' variance that a change of brightness and contrast does not explain.
_SAME_PIXELS, _SAME_GREYS, _ALIKE_PIXELS = 0.02, 0.01, 0.1
# Distance of features, in units of the set's own typical distance to the nearest neighbour.
_SAME_FEATURES, _ALIKE_FEATURES = 0.12, 0.25
_COLOURLESS = 2.0  # levels between the channels
_FLAT = 4.0  # levels of standard deviation: too little to recognise a picture by
_NEIGHBOURS = 5
_BLOCK = 2048


def near_pairs(pictures: Pictures, features: np.ndarray | None = None) -> np.ndarray:
    """Pairs of pictures that are nearly the same.

    Candidates agree in their perceptual hash but for 10 bits, or are neighbours by their features.
    The thumbnails decide, where brightness and contrast do not count, nor colour if one of the two
    has none: two pictures are the same if what is left is under 2 % of the variance.  Up to 10 %
    the features have to confirm it: their distance (1 - cosine) has to be below a quarter of what
    is usual in this set between a picture and its nearest neighbour, for products on white are all
    alike to a network and holiday photos are not.  Features alone decide below an eighth of that.

    Args:
        pictures: N pictures, none of them a copy of another, byte by byte.
        features: (N, D) of a network, or ``None``.

    Returns:
        int64 (P, 2), the smaller position first.
    """
    spread = grey(pictures.thumbnails).std(axis=(1, 2))
    known = spread >= _FLAT
    pairs = pairs_within(pictures.hashes, _BITS)
    pairs = pairs[known[pairs].all(axis=1)]
    differing, colourless = _residuals(pictures.thumbnails, pairs)
    same = differing <= np.where(colourless, _SAME_GREYS, _SAME_PIXELS)
    if features is None or len(features) < _NEIGHBOURS:
        return pairs[same]
    units = unit_rows(features)
    positions, distances = nearest(units, _NEIGHBOURS)
    angles = distances**2 / 2  # 1 - cosine, for rows of length 1
    apart = angles[:, 0][angles[:, 0] > 1e-6]
    usual = float(np.median(apart)) if len(apart) else 0.0
    alike = ~same & (differing <= _ALIKE_PIXELS)
    between = ((units[pairs[alike, 0]] - units[pairs[alike, 1]]) ** 2).sum(axis=1) / 2
    same[np.flatnonzero(alike)[between <= _ALIKE_FEATURES * usual]] = True
    rows, columns = np.nonzero(angles <= _SAME_FEATURES * usual)
    found = np.sort(np.stack([rows, positions[rows, columns]], axis=1), axis=1)
    found = found[known[found].all(axis=1)]
    return np.unique(np.concatenate([pairs[same], found]), axis=0)


def near_copies(
    examples: "Examples", pictures: Pictures, features: np.ndarray | None, contents: np.ndarray
) -> tuple[list[Finding], np.ndarray]:
    """Findings of kinds ``near_copies``, ``…_across_parts`` and ``…_differ``.

    Args:
        examples: the table.
        pictures: of its N rows.
        features: of its N rows, or ``None``.
        contents: int64 (N,), equal for files of the same bytes.

    Returns:
        One finding for each group of pictures that are linked by likeness, and int64 (N,), equal
        for files of one group.
    """
    firsts = np.unique(contents)
    some = None if features is None else np.asarray(features)[firsts]
    linked = firsts[near_pairs(pictures.subset(firsts), some)]
    own = np.stack([np.arange(len(contents)), contents], axis=1)
    groups = connected(len(contents), np.concatenate([own, linked]))
    findings = []
    for rows in members(groups):
        different = len(set(contents[rows].tolist()))
        if different < 2:
            continue
        parts = [part for part in PARTS if part in {examples.splits[row] for row in rows}]
        kind, why = "near_copies", f"{different} pictures that are nearly the same"
        if not same_targets(examples, rows):
            kind = "near_copies_differ"
            labels = sorted({*examples.labels[rows].tolist()} - {-1})
            names = ", ".join(repr(examples.class_names[label]) for label in labels)
            why += f", labelled {names}" if len(labels) > 1 else ", with different tags"
        if len(parts) > 1:
            kind = "near_copies_across_parts"
            why += f", in {' and '.join(parts)}"
        paths = tuple(examples.paths[row] for row in rows)
        findings.append(Finding(kind, paths, why, different))
    return findings, groups


def _residuals(thumbnails: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unexplained share of the variance of each pair, and whether one of the two is grey."""
    differing = np.zeros(len(pairs))
    spans = np.ptp(thumbnails, axis=3).mean(axis=(1, 2)) <= _COLOURLESS
    colourless = spans[pairs].any(axis=1)
    for start in range(0, len(pairs), _BLOCK):
        block = slice(start, start + _BLOCK)
        coloured = ~colourless[block]
        first, second = (thumbnails[pairs[block, k]].astype(np.float32) for k in (0, 1))
        values = np.where(
            coloured, _unexplained(first, second), _unexplained(grey(first), grey(second))
        )
        differing[block] = values
    return differing, colourless


def _unexplained(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 - r² of each pair of rows; 1 where they are turned over."""
    first, second = (values.reshape(len(values), -1) for values in (first, second))
    first, second = (v - v.mean(axis=1, keepdims=True) for v in (first, second))
    product = np.einsum("ij,ij->i", first, second)
    lengths = np.einsum("ij,ij->i", first, first) * np.einsum("ij,ij->i", second, second)
    correlation = product / np.sqrt(np.maximum(lengths, 1e-6))
    return 1 - np.maximum(correlation, 0) ** 2
