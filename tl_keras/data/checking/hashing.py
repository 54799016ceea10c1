"""Perceptual hashes: pictures that look alike differ in few bits."""

import cv2
import numpy as np

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BLOCK = 1024


def grey(pixels: np.ndarray) -> np.ndarray:
    """Luma by ITU-R BT.601.

    Args:
        pixels: uint8 or float32 (..., 3), RGB, 0..255.

    Returns:
        float32 (...), 0..255.

    Example:
        >>> grey(np.full((1, 1, 3), 10, np.uint8)).round(3).tolist()
        [[10.0]]
    """
    return pixels.astype(np.float32) @ _GREY


def perceptual_hash(thumbnail: np.ndarray) -> np.uint64:
    """The DCT hash ("pHash"): the signs of the lowest frequencies against their median.

    Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010,
    https://www.phash.org/docs/pubs/thesis_zauner.pdf.  The mean brightness (the first of the 8 × 8
    coefficients) does not enter, so 63 bits say something.

    Args:
        thumbnail: uint8 (32, 32, 3), RGB, 0..255.

    Returns:
        64 bits; the same for pictures that differ only in brightness and contrast, if no pixel is
        cut off at black or white.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 80, (32, 32, 3), np.uint8)
        >>> bool(perceptual_hash(noise) == perceptual_hash(noise * 3 + 7))
        True
    """
    low = cv2.dct(grey(thumbnail))[:8, :8].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    return np.packbits(bits).view(np.uint64)[0]


def pairs_within(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in few bits.

    Every pair is compared, in blocks of rows: an XOR and a count of bits, 20,000 hashes in about
    half a second.  (Hash tables over bands of bits save nothing at this distance: of 63 bits no
    band is sure to agree that is long enough to tell pictures apart.)

    Args:
        hashes: uint64 (N,).
        distance: the most bits that may differ.

    Returns:
        int64 (P, 2), the smaller position first.

    Example:
        >>> pairs_within(np.array([0, 7, 1], np.uint64), 1).tolist()
        [[0, 2]]
    """
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(hashes), _BLOCK):
        differing = np.bitwise_count(hashes[start : start + _BLOCK, None] ^ hashes[None, start:])
        first, second = np.nonzero(differing <= distance)
        later = second > first
        found.append(np.stack([first[later], second[later]], axis=1) + start)
    return np.concatenate(found)
