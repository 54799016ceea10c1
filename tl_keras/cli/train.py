"""``tl-keras train``: from a folder of images to an artefact."""

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from tl_keras.cli.options import add_json, add_training, messages, percent, print_json
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras train                                       the built-in sample set, nothing downloaded
  tl-keras train photos/                               the shipped base, recipe chosen for you
  tl-keras train photos/ --backbone mobilenet_v2 --recipe progressive --output saved_models/photos
  tl-keras train photos/ --backbone efficientnet_v2_b0 --weights path/to/weights.h5 --json

DATA holds a folder per class (photos/ants, photos/bees), or train/ with val/ or test/ folders that
do; a split that the data brings is kept. Ctrl-C ends the training and saves the best model so far.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = "Train a classifier on a folder of images and measure it."
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", nargs="?", help="default: the built-in sample set")
    add_training(parser)
    parser.add_argument(
        "--val-fraction",
        type=float,
        default=0.2,
        metavar="F",
        help="part of the images held out, where DATA brings no split (default: 0.2)",
    )
    parser.add_argument(
        "--resize",
        default="crop",
        choices=["crop", "pad", "stretch"],
        help="how images become square: centre crop, padding that keeps all of the image, or "
        "stretching (default: crop)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="of each device (default: 32)"
    )
    parser.add_argument(
        "--strategy",
        default="auto",
        choices=["auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"],
        help="where the backbone trains (default: auto: TPU, several GPUs, one GPU or CPU; the "
        "workers of TF_CONFIG where it is set)",
    )
    parser.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "float32", "mixed_bfloat16", "mixed_float16"],
        help="default: auto: bfloat16 on TPU and recent GPUs, float16 on older ones, else float32",
    )
    parser.add_argument(
        "--cache",
        metavar="memory|DIR",
        help="keep images decoded and resized between epochs: in memory, or in DIR for later runs "
        "too (default: decode anew)",
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with an unfinished run of the same command, if one stands in the output "
        "folder (default: yes)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first file that cannot be read"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Read, choose, train, evaluate, save, and say what was done and why."""
    began = time.perf_counter()
    with messages(options.json):
        result, interrupted = _train(options)
    result["seconds"] = round(time.perf_counter() - began, 1)
    if options.json:
        print_json(result)
    elif not interrupted:
        print(f"\ndone in {result['seconds']:.0f} s")
    return 2 if interrupted else 0


def _train(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    from tl_keras.artefact.writing import check_output
    from tl_keras.backbones.registry import get_backbone
    from tl_keras.cli import choices
    from tl_keras.cli.resuming import settings_of, unfinished_run
    from tl_keras.training.resolving import known_recipe

    # Everything that can be wrong with the request is found before any image is read.
    sample = options.data is None
    backbone, weights, why = choices.backbone_and_weights(options.backbone, options.weights)
    record = get_backbone(backbone)
    recipe = known_recipe(options.recipe)
    if options.batch_size < 1:
        raise InputError(f"--batch-size is 1 or more; got {options.batch_size}")
    if not 0 < options.val_fraction < 1:
        raise InputError(f"--val-fraction lies between 0 and 1; got {options.val_fraction}")
    name = "sample_set" if sample else Path(options.data).resolve().name
    check_output(Path(options.output or "saved_models/new"))
    device = start_keras()
    from tl_keras.backbones.base import check_image_size
    from tl_keras.backbones.weights import check_weights

    image_size = check_image_size(record, options.image_size, weights)
    check_weights(record, weights)

    from tl_keras.data import from_folder
    from tl_keras.data.splitting import check_seed

    check_seed(options.seed)
    if sample:
        from tl_keras.data import sample_set

        print("No DATA given: the built-in sample set (generated pictures) is used.")
        examples = from_folder(sample_set() / "images")
    else:
        examples = from_folder(options.data, strict=options.strict)
    train, val, test = choices.parts(examples, options.val_fraction, options.seed)
    _print_data(examples, train, val, test)
    print(f"Device: {device}.")
    print(f"Backbone: {backbone} at {image_size} px, weights {weights}: {why}.")

    settings = settings_of(options, train, val, recipe)
    with unfinished_run(options.output, name, settings, options.resume) as (
        output,
        folder,
        goes_on,
    ):
        if goes_on:
            print(f"Going on with the unfinished run in {folder}; --no-resume begins anew.")
        run = _fit(options, train, val, backbone, weights, image_size, folder)
        notes: dict[str, Any] = {
            "weights": weights,
            "data": str(options.data or "built-in sample set"),
            "command": "tl-keras " + shlex.join(sys.argv[1:]),
            "evaluated_on": f"{len(val)} validation images, which also chose the best epoch",
            "skipped": [list(item) for item in examples.skipped],
        }
        _measure(options, run, notes, train, val, test, backbone, image_size)
        saved = run.save(output, notes=notes)
    if run.interrupted:
        print(f"interrupted: the best model so far was saved to {saved}", file=sys.stderr)
    print(f"\nSaved to {saved}: model.keras, model.json, history.csv, report.html")
    print(f"Next: tl-keras predict {saved} IMAGE ...")
    result = {
        "metrics": run.metrics,
        "artefact": str(saved),
        "skipped": notes["skipped"],
        "backbone": backbone,
        "weights": weights,
        "image_size": image_size,
        "recipe": run.recipe.name,
        "reason": run.recipe.reason,
        "interrupted": run.interrupted,
        **{key: notes[key] for key in ("test_metrics", "baselines") if key in notes},
    }
    return result, run.interrupted


def _measure(
    options: argparse.Namespace, run: Any, notes: dict[str, Any], train: Any, val: Any, test: Any,
    backbone: str, image_size: int,
) -> None:  # fmt: skip
    """Print the figures of the run; those on other data are added to ``notes``."""
    if run.metrics:
        print(f"\nOn {len(val)} held-out images:")
        _print_figures(run.metrics)
        print(f"  majority class      {percent(run.metrics['majority_baseline'])}")
    try:
        # From here on a Ctrl-C must not cost the model that is already trained.
        if test is not None:
            notes["test_metrics"] = run.evaluate(test)
            print(f"On the {len(test)} images of the data's own test part, never looked at before:")
            _print_figures(notes["test_metrics"])
        if options.data is None and not run.interrupted and notes["weights"] != "none":
            notes["baselines"] = _against_random(options, train, val, backbone, image_size, run)
    except KeyboardInterrupt:
        run.interrupted = True


def _fit(
    options: argparse.Namespace, train: Any, val: Any, backbone: str, weights: str,
    image_size: int, folder: Path,
) -> Any:  # fmt: skip
    import keras

    from tl_keras.builders.classifier import build_classifier
    from tl_keras.training.fit import fit
    from tl_keras.training.placement import choose_placement

    # Before the model, for TensorFlow makes no devices after its first operation.
    placement = choose_placement(options.strategy, options.precision)
    keras.utils.set_random_seed(options.seed)
    model = build_classifier(
        backbone,
        len(train.class_names),
        image_size=image_size,
        weights=None if weights == "none" else weights,
    )
    return fit(
        model,
        train,
        val,
        recipe=options.recipe,
        batch_size=options.batch_size,
        resize=options.resize,
        seed=options.seed,
        pretrained=weights != "none",
        strategy=placement,
        cache=options.cache,
        resume=folder,
    )


def _print_figures(metrics: dict[str, Any]) -> None:
    print(f"  accuracy            {percent(metrics['accuracy'])}")
    print(f"  balanced accuracy   {percent(metrics['balanced_accuracy'])}")


def _against_random(
    options: argparse.Namespace, train: Any, val: Any, backbone: str, image_size: int, run: Any
) -> dict[str, dict[str, float]]:
    """Say what pretraining is worth: the head alone on learned and on random features."""
    scratch = _random_weights_accuracy(options, train, val, backbone, image_size)
    print(f"  head, random base   {percent(scratch)}")
    head = [row["val_accuracy"] for row in run.history if row["stage"] == "head"]
    if head:
        gain = 100 * (max(head) - scratch["value"])
        print(
            f"The head alone reached {100 * max(head):.1f} % on the pretrained base: transfer is "
            f"worth {gain:+.1f} points here."
        )
    return {"Same head on random weights": scratch}


def _random_weights_accuracy(
    options: argparse.Namespace, train: Any, val: Any, backbone: str, image_size: int
) -> dict[str, float]:
    """Accuracy of the same head, trained the same way, on a backbone that learned nothing."""
    import keras

    from tl_keras.backbones.calibration import calibrate_batch_norm
    from tl_keras.builders.classifier import build_classifier
    from tl_keras.training.fit import fit

    print("\nFor comparison, the same head on random backbone weights ...", file=sys.stderr)
    keras.utils.set_random_seed(options.seed)
    model = build_classifier(backbone, len(train.class_names), image_size=image_size, weights=None)
    images, _ = next(iter(train.dataset(64, image_size, resize=options.resize, shuffle=True)))
    calibrate_batch_norm(model, images)
    run = fit(
        model, train, val, recipe="feature_extraction", seed=options.seed,
        batch_size=options.batch_size, resize=options.resize, verbose=False,
    )  # fmt: skip
    if run.interrupted:
        raise KeyboardInterrupt
    return run.metrics["accuracy"]


def _print_data(examples: Any, train: Any, val: Any, test: Any) -> None:
    parts = f"{len(train)} to train, {len(val)} to validate"
    if test is not None:
        parts += f", {len(test)} to test"
    names = examples.class_names
    shown = ", ".join(names[:8]) + (f", ... ({len(names)})" if len(names) > 8 else "")
    print(f"{len(train.class_names)} classes: {shown}. Images: {parts}.")
    if examples.skipped:
        print(f"{len(examples.skipped)} files were left out:")
        for path, reason in examples.skipped[:10]:
            print(f"  {path}: {reason}")
        if len(examples.skipped) > 10:
            print(f"  ... and {len(examples.skipped) - 10} more (all stand in model.json)")
