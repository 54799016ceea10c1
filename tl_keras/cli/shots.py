"""``tl-keras train --shots K``: so many images of each class, and how much they are worth."""

import argparse
from dataclasses import replace
from typing import Any

from tl_keras.cli.options import VAL_FRACTION
from tl_keras.errors import InputError


def add_shots(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--shots",
        type=int,
        metavar="K",
        help="train on K images of each class alone, drawn by --seed, and measure on all the "
        "others, or on the validation part that DATA brings; the head is computed in closed form "
        "in seconds unless --recipe says otherwise, and measured over 20 draws (--task classify)",
    )


def check_shots(options: argparse.Namespace) -> None:
    """Raise before anything is read if so many shots cannot be had as asked for.

    Raises:
        InputError: With the option to change.
    """
    if options.shots is None:
        return
    if options.shots < 1:
        raise InputError(f"--shots is 1 or more images of each class; got {options.shots}")
    if options.task != "classify":
        raise InputError(
            f"--shots draws images of each class, which is for --task classify; leave it out for "
            f"--task {options.task}"
        )
    others = {"folds": None, "repeats": 1, "ensemble": False, "split_by": "auto"}
    others |= {"val_fraction": VAL_FRACTION, "workers": 1}
    for name, usual in others.items():
        if getattr(options, name) != usual:
            raise InputError(
                f"--shots draws what is trained on and measures on the rest; leave "
                f"--{name.replace('_', '-')} out"
            )


def shot_parts(examples: Any, shots: int, seed: int) -> tuple[Any, Any, Any]:
    """Training, validation and (where the data brings one) untouched test examples.

    Raises:
        InputError: A class has too few images.
    """
    test = examples.part("test") if "test" in examples.parts else None
    if "val" in examples.parts:
        drawn, _ = source_of(examples).draw(shots, seed, leave=False)
        return drawn, examples.part("val"), test
    return *source_of(examples).draw(shots, seed), test


def source_of(examples: Any) -> Any:
    """What shots are drawn from: the training part, or all where there is none."""
    return examples.part("train") if examples.parts else examples


def recipe_of(options: argparse.Namespace) -> Any:
    """The recipe asked for; with ``--shots`` and none asked for, that for few images."""
    if options.shots is None or options.recipe != "auto":
        return options.recipe
    from tl_keras.training.recipes import RECIPES

    why = f"a head from {options.shots} of each class is computed, and no image chooses its length"
    return replace(RECIPES["ridge"], reason=why)


def over_draws(
    options: argparse.Namespace, run: Any, examples: Any, cache: Any
) -> dict[str, Any] | None:
    """Measure heads of other draws on the features that are there.

    Args:
        options: Parsed, with ``shots``.
        run: Of the first draw.
        examples: All of them, as the task sees them.
        cache: With the run's features.

    Returns:
        JSON values for ``model.json``; None where the run's own head was trained, not computed.
    """
    from tl_keras.training.feature_extraction import FeatureExtraction
    from tl_keras.training.few_shot import DRAWS, INTERVAL, accuracy_over_draws

    if any(stage.solver is None for stage in run.recipe.stages):
        return None
    extraction = FeatureExtraction(
        run.model, image_size=run.image_size, batch_size=run.batch_size, resize=run.resize,
        seed=run.seed, cache=cache, verbose=True,
    )  # fmt: skip
    source, held_out = source_of(examples), None
    if "val" in examples.parts:
        of_val = extraction.run(run.val, what="validation images")
        held_out = of_val.views[0], of_val.labels
    features = extraction.run(source, what="all images").views[0]
    figures = accuracy_over_draws(
        features, source, options.shots, seed=options.seed, held_out=held_out
    )
    return {"shots": options.shots, "draws": DRAWS, "interval": INTERVAL, "accuracy": figures}


def draws_lines(found: dict[str, Any]) -> list[str]:
    """What :func:`over_draws` found, for the terminal."""
    lines = [f"Accuracy over {found['draws']} draws of {found['shots']} a class (mean, standard "
             f"deviation of a draw; {found['interval']}):"]  # fmt: skip
    for solver, figure in found["accuracy"].items():
        value, sd, low, high = (100 * figure[key] for key in ("value", "sd", "low", "high"))
        lines.append(f"  {solver:<24} {value:.1f} ± {sd:.1f} %  ({low:.1f} to {high:.1f})")
    return lines
