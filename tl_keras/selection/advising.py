"""Advice before training: which base, at which size, by which recipe, and what that costs."""

import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.backbones.registry import get_backbone
from tl_keras.backbones.table import backbone_table
from tl_keras.data.decoding import load_image
from tl_keras.data.splitting import check_seed, train_val_test
from tl_keras.errors import InputError
from tl_keras.selection.advice import Advice
from tl_keras.selection.base_choice import choose_base
from tl_keras.selection.candidates import Candidate, asked_for, bases_at_hand
from tl_keras.selection.closeness import distance_from_pretraining
from tl_keras.selection.data_profile import profile
from tl_keras.selection.limits import Limits, absent_bases
from tl_keras.selection.rank_bases import built, draw_images, rank_drawn
from tl_keras.selection.ranking import Ranked, Ranking
from tl_keras.selection.recipe_choice import choose_by_measures
from tl_keras.selection.training_time import TrainingTime, measure_pace, training_time
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.recipes import Recipe
from tl_keras.training.ridge import MOST_ROWS

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

# Images that the distance from the pretraining is measured on.
_SEEN = 128
# As `tl-keras train` holds out where the data bring no validation part.
_HELD_OUT = 0.2


def advise(
    examples: "Examples",
    backbones: Iterable[str] | None = None,
    *,
    max_parameters: float | None = None,
    max_milliseconds: float | None = None,
    max_megabytes: float | None = None,
    device: str = "cpu",
    minutes: float = 30.0,
    images: int = MOST_ROWS,
    seed: int = 0,
    resize: str = "crop",
    cache: FeatureCache | str | os.PathLike | None = None,
    verbose: bool = True,
) -> Advice:
    """Choose base, image size and recipe by measuring; nothing is downloaded.

    The bases at hand that keep the limits are ranked on the images (:func:`tl_keras.rank`), and
    one is taken (:func:`tl_keras.selection.base_choice.choose_base`).  The recipe follows from the
    images of each class, a linear probe on the frozen features, and the time that steps of
    training which are really taken come to
    (:func:`tl_keras.selection.recipe_choice.choose_by_measures`).  How far the images are from what
    the base was pretrained on is said and decides nothing: on the sets tried the probe said as
    much about the recipe.

    Args:
        examples: Images with labels, one class each.  A test part is not looked at.
        backbones: As of :func:`tl_keras.rank`.
        max_parameters: The most that the base may have.
        max_milliseconds: The longest that one image may take, by Keras on this machine.
        max_megabytes: The most that its weights may weigh in float32, 10^6 bytes.
        device: Where the model is to run: ``"cpu"``, ``"gpu"`` or ``"phone"``.
        minutes: The longest that training may take here.
        images: Look at so many at most, drawn by class and seed.
        seed: Of the draw.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        cache: A folder to keep features in, or a cache.
        verbose: Whether progress goes to standard error.

    Returns:
        The advice, with all that was measured.

    Raises:
        InputError: There are no two classes of images, no base keeps the limits, or an argument
            cannot be used.

    Example:
        >>> advice = tl.advise(tl.data.from_folder("photos/"), minutes=10)  # doctest: +SKIP
        >>> advice.best.name, advice.recipe.name  # doctest: +SKIP
        ('mobilenet_v2@224', 'feature_extraction')
        >>> print(advice.text())  # doctest: +SKIP
    """
    check_seed(seed)
    if not minutes > 0:
        raise InputError(f"minutes={minutes!r}: give the time that training may take, above 0")
    limits = Limits(max_parameters, max_milliseconds, max_megabytes, device)
    _check_device(limits)
    _check_labels(examples)
    found = bases_at_hand() if backbones is None else asked_for(backbones)
    allowed, beyond = _within(found, limits)
    drawn, of = draw_images(examples, images, seed)
    usable = _trained_on(examples)
    known = profile(usable, seed)

    def refuse(candidate: Candidate, parameters: int, milliseconds: float) -> str | None:
        return limits.broken_by(get_backbone(candidate.backbone), parameters, milliseconds)

    ranking = rank_drawn(
        allowed, drawn, of, strict=False, refuse=refuse, resize=resize,
        cache=cache, verbose=verbose,
    )  # fmt: skip
    base = choose_base(ranking, len(usable), minutes)
    best = base.row
    if verbose:
        print(f"Timing a few steps of {best.name} ...", file=sys.stderr)
    (candidate,) = (one for one in allowed if one.name == best.name)
    began, worked = time.perf_counter(), time.process_time()
    model = built(candidate, len(known.counts))
    crowding = (time.perf_counter() - began) / max(time.process_time() - worked, 1e-3)
    some = np.random.default_rng(seed).permutation(len(drawn))[:_SEEN]
    distance = distance_from_pretraining(
        model, np.stack([load_image(drawn.paths[i], best.image_size, resize) for i in some])
    )
    train, val, _ = train_val_test(usable, _HELD_OUT, seed)

    def estimate(recipe: Recipe) -> TrainingTime:
        pace = measure_pace(
            model, crowding, 1 / best.images_per_second, (train, val), resize, recipe
        )
        return training_time(recipe, pace, len(train), len(val))

    smallest = min(count for count in train.counts().values() if count)
    choice = choose_by_measures(smallest, len(train), best.probe, best.weights, minutes, estimate)
    return Advice(
        profile=known,
        ranking=ranking,
        best=best,
        why=base.reason,
        recipe=choice.recipe,
        time=choice.time,
        change=choice.change,
        distance=distance,
        absent=tuple(
            absent_bases(
                limits, (one.backbone for one in found), _pace_of(ranking), best.milliseconds
            )
        ),
        beyond=beyond,
        limits=limits,
        resize=resize,
    )


def _check_device(limits: Limits) -> None:
    if limits.device != "gpu" or limits.milliseconds is None:
        return
    from tl_keras.training.placement import choose_placement

    if choose_placement().kind == "cpu":
        raise InputError(
            "milliseconds are measured on this machine, which has no GPU; leave the limit out, or "
            "ask where there is one"
        )


def _check_labels(examples: "Examples") -> None:
    if (np.asarray(examples.labels) >= 0).any():
        return
    brought = [name for name in ("tags", "boxes", "masks") if getattr(examples, name) is not None]
    if brought:
        raise InputError(
            f"advice is for one class an image; these images bring {' and '.join(brought)} and no "
            "class of their own: choose by `tl-keras backbones` and train by --task"
        )


def _within(found: list[Candidate], limits: Limits) -> tuple[list[Candidate], dict[str, str]]:
    """Those that keep the limits, and of the others why they do not."""
    broken = {one: limits.broken_by(get_backbone(one.backbone)) for one in found}
    allowed = [one for one, why in broken.items() if why is None]
    beyond = {one.name: why for one, why in broken.items() if why is not None}
    if not allowed:
        reasons = "; ".join(f"{name}: {why}" for name, why in beyond.items())
        raise InputError(
            f"no base whose weights are here keeps the limits ({reasons}); raise them, or fetch "
            "weights of a smaller base"
        )
    return allowed, beyond


def _trained_on(examples: "Examples") -> "Examples":
    """Labelled images outside of a test part."""
    rows = [
        row
        for row, (label, part) in enumerate(zip(examples.labels, examples.splits, strict=True))
        if label >= 0 and part != "test"
    ]
    return examples.subset(rows)


def _pace_of(ranking: Ranking) -> float | None:
    """Time of an image here, as a multiple of what the registry says, middle of the bases."""
    known = {row["name"]: row for row in backbone_table() if row["latency_ms"]}

    def pace(row: Ranked) -> float:
        listed = known[row.backbone]
        scale = (row.image_size / listed["image_size"]) ** 2
        return row.milliseconds / (listed["latency_ms"] * scale)

    paces = [pace(row) for row in ranking.rows if row.backbone in known]
    return float(np.median(paces)) if paces else None
