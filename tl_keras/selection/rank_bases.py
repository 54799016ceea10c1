"""Every base whose weights are at hand, compared on the data without training."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import keras
import numpy as np
from tqdm import tqdm

from tl_keras.backbones.registry import find_backbone
from tl_keras.builders.classifier import build_classifier
from tl_keras.data.splitting import check_seed
from tl_keras.errors import InputError
from tl_keras.selection.candidates import Candidate, asked_for, bases_at_hand
from tl_keras.selection.class_separation import h_score
from tl_keras.selection.log_evidence import log_me
from tl_keras.selection.neighbour_vote import nearest_vote
from tl_keras.selection.ranking import DRIVER, Ranked, Ranking
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.probing import linear_probe
from tl_keras.training.ridge import MOST_ROWS
from tl_keras.training.timing import forward_seconds

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def rank(
    examples: "Examples",
    backbones: Iterable[str] | None = None,
    *,
    images: int = MOST_ROWS,
    seed: int = 0,
    resize: str = "crop",
    batch_size: int = 32,
    cache: FeatureCache | str | os.PathLike | None = None,
    verbose: bool = True,
) -> Ranking:
    """Compare bases on labelled images by their frozen features; nothing is trained or downloaded.

    Each base sees each image once; four scores say how well its features tell the classes apart,
    and one of them, LogME, decides about the order (``benchmarks/rank.py`` measures how well each
    agrees with the accuracy after training).  The cost of a base stands beside it.

    Args:
        examples: Images with labels.  A test part that the data brings is not looked at, nor are
            images without a label.
        backbones: Names such as ``"mobilenet_v2"``, ``"mobilenet_v2@160"`` (image size, px) or
            ``"mobilenet_v3_small+bundled"``; by default every base of the registry whose weights
            ship with the package or lie in Keras' cache, at the sizes these were made for.
        images: Look at so many at most, drawn by class and seed.
        seed: Of the draw.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        batch_size: Images computed at a time.
        cache: A folder to keep features in, or a cache; by default they are not kept.
        verbose: Whether progress goes to standard error.

    Returns:
        The bases, best first.  One of those found by default whose weights cannot be read is left
        out, and named with the reason.

    Raises:
        InputError: There are no two classes of two images or more, an image cannot be read, or a
            base that was asked for has no weights here.

    Example:
        >>> ranking = tl.rank(tl.data.from_folder("photos/"))  # doctest: +SKIP
        >>> model = tl.build_classifier(ranking.best.backbone, 2)  # doctest: +SKIP
    """
    check_seed(seed)
    found = bases_at_hand() if backbones is None else asked_for(backbones)
    drawn, of = draw_images(examples, images, seed)
    return rank_drawn(
        found, drawn, of, strict=backbones is not None, resize=resize, batch_size=batch_size,
        cache=cache, verbose=verbose,
    )  # fmt: skip


def rank_drawn(
    found: Iterable[Candidate],
    drawn: "Examples",
    of: int,
    *,
    strict: bool,
    refuse: Callable[[Candidate, int, float], str | None] | None = None,
    resize: str = "crop",
    batch_size: int = 32,
    cache: FeatureCache | str | os.PathLike | None = None,
    verbose: bool = True,
) -> Ranking:
    """Compare candidates on images that were drawn already.

    Args:
        found: To be compared.
        drawn: What :func:`draw_images` returned.
        of: Images that they were drawn from.
        strict: Whether weights that cannot be read are an error; else they are left out.
        refuse: From a candidate, its parameters and the milliseconds of one image here to why it
            is left out before it sees the images, or None.
        resize: As of :func:`rank`.
        batch_size: Likewise.
        cache: Likewise.
        verbose: Likewise.

    Raises:
        InputError: No base is left.
    """
    if cache is not None and not isinstance(cache, FeatureCache):
        cache = FeatureCache(cache)
    rows, left_out = [], {}
    bar = tqdm(found, unit="base", disable=not verbose, file=sys.stderr, leave=False)
    for candidate in bar:
        bar.set_description(candidate.name)
        try:
            model = built(candidate)
            alone = 1000 * forward_seconds(model, batch_size=1)
            parameters = find_backbone(model).count_params()
            reason = refuse(candidate, parameters, alone) if refuse else None
            if reason is not None:
                left_out[candidate.name] = reason
                continue
            rows.append(_ranked(candidate, model, alone, drawn, resize, batch_size, cache, verbose))
        except UnusableError as error:
            if strict:
                raise
            left_out[candidate.name] = str(error)
        gc.collect()  # The next base needs the memory of this one.
    if not rows:
        name, reason = next(iter(left_out.items()))
        raise InputError(f"no base could be compared; {name}: {reason}")
    rows.sort(key=lambda row: (-getattr(row, DRIVER), row.parameters))
    counts = np.unique(drawn.labels, return_counts=True)[1]
    return Ranking(
        tuple(rows), len(drawn), of, len(counts), float(counts.max() / len(drawn)), left_out
    )


def draw_images(examples: "Examples", images: int, seed: int) -> tuple["Examples", int]:
    """The images to look at, and how many there were.

    Args:
        examples: Images with labels; those of a test part are not drawn.
        images: So many at most.
        seed: Of the draw.

    Raises:
        InputError: There are no two classes of two images or more.
    """
    if isinstance(images, bool) or not isinstance(images, int) or images < 4:
        raise InputError(f"images={images!r}: give a number of images to look at, 4 or more")
    labels = np.asarray(examples.labels)
    usable = (labels >= 0) & np.array([part != "test" for part in examples.splits], bool)
    rows = np.flatnonzero(usable)
    counts = np.bincount(labels[rows], minlength=2)
    if (counts > 1).sum() < 2:
        named = ", ".join(
            f"{examples.class_names[label]} {count}" for label, count in enumerate(counts) if count
        )
        raise InputError(
            "bases are compared on labelled images, two or more of at least two classes; here are "
            f"{named or 'none'} (a test part is left out); give such data"
        )
    if len(rows) > images:
        # Every class by its share, and two of each that has them, so that each counts.
        order = np.random.default_rng(seed).permutation(rows)
        place = np.empty(len(order))
        for label in np.unique(labels[rows]):
            own = labels[order] == label
            ranks = np.arange(own.sum())
            place[own] = np.where(ranks < 2, -1, (ranks + 0.5) / own.sum())
        rows = np.sort(order[np.argsort(place, kind="stable")[:images]])
    return examples.subset(rows), int(usable.sum())


class UnusableError(InputError):
    """These weights cannot be compared; others can."""


def built(candidate: Candidate, classes: int = 2) -> keras.Model:
    """A classifier on a candidate, its head random.

    Args:
        candidate: Base, weights and image size.
        classes: Of the head.

    Raises:
        UnusableError: The weights cannot be read.
    """
    # The file itself: Keras' own loader would fetch one that it finds damaged.
    weights = "bundled" if candidate.file is None else str(candidate.file)
    try:
        return build_classifier(
            candidate.backbone, classes, image_size=candidate.image_size, weights=weights
        )
    except InputError as error:
        raise UnusableError(str(error)) from error


def _ranked(
    candidate: Candidate,
    model: keras.Model,
    milliseconds: float,
    examples: "Examples",
    resize: str,
    batch_size: int,
    cache: FeatureCache | None,
    verbose: bool,
) -> Ranked:
    began = time.perf_counter()
    extraction = FeatureExtraction(
        model, image_size=candidate.image_size, batch_size=batch_size, resize=resize, cache=cache,
        verbose=verbose,
    )  # fmt: skip
    result = extraction.run(examples, what=f"{len(examples):,} images")
    seconds = time.perf_counter() - began
    features, labels = result.views[0], result.labels
    if not np.isfinite(features).all():
        raise UnusableError(
            f"features of {candidate.name} are not finite; its weights {candidate.file or ''} are "
            "damaged, so delete and fetch them anew"
        )
    parameters = find_backbone(model).count_params()
    return Ranked(
        candidate.backbone,
        candidate.weights,
        candidate.image_size,
        log_me=log_me(features, labels),
        h_score=h_score(features, labels),
        probe=linear_probe(features, labels).accuracy,
        nearest=nearest_vote(features, labels),
        features=features.shape[1],
        parameters=parameters,
        megabytes=parameters * 4 / 1e6,
        milliseconds=milliseconds,
        images_per_second=1 / forward_seconds(model),
        seconds=seconds,
        cached=not result.computed,
    )
