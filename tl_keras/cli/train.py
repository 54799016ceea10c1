"""``tl-keras train``: from a folder of images to an artefact."""

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.against_random import against_random
from tl_keras.cli.data_words import print_crop, print_data
from tl_keras.cli.folds import add_folds, train_folds, wants_folds
from tl_keras.cli.opening import asked_of_reader
from tl_keras.cli.options import (
    add_data_format,
    add_json,
    add_training,
    add_val_fraction,
    messages,
    percent,
    print_json,
)
from tl_keras.cli.shots import (
    add_shots,
    check_shots,
    draws_lines,
    over_draws,
    recipe_of,
    source_of,
)
from tl_keras.cli.startup import start_keras
from tl_keras.cli.tracking import EVENTS, add_track, check_track, keep_events, tracker_for
from tl_keras.cli.workers import check_workers, train_in_workers
from tl_keras.errors import InputError
from tl_keras.tasks.kinds import POOLED
from tl_keras.training.recipes import LOSSES

_EXAMPLES = """\
examples:
  tl-keras train                                       the built-in sample set, nothing downloaded
  tl-keras train photos/                               the shipped base, recipe chosen for you
  tl-keras train photos/ --backbone mobilenet_v2 --recipe progressive --output saved_models/photos
  tl-keras train photos/ --backbone efficientnet_v2_b0 --weights path/to/weights.h5 --json
  tl-keras train photos/ --shots 5                     5 images a class: how far do they go?
  tl-keras train photos/ --folds 5 --ensemble          cross-validation; its models kept as one
  tl-keras train street/ --task detect                 boxes: VOC, COCO or YOLO
  tl-keras train tiles/ --task segment                 images/ and masks/ side by side
  tl-keras train --task instances                      the sample set's things, pixel by pixel
  tl-keras train shop/ --task embed                    vectors to search by, a folder per product

DATA holds a folder per class (photos/ants, photos/bees), or train/ with val/ or test/ folders that
do; or it is a table of paths and labels (.csv, .tsv, .parquet), TFRecord files, boxes and masks as
VOC, COCO, YOLO or mask images, or a zip or tar archive of any of these, or its URL. A split that
the data brings is kept. Ctrl-C ends the training and saves the best model so far.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Train a model on a folder of images and measure it: a classifier, or by --task a tagger, "
        "a localizer, a detector, a segmenter or an embedder."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", nargs="?", help="default: the built-in sample set")
    add_data_format(parser)
    add_training(parser)
    add_val_fraction(parser)
    parser.add_argument(
        "--resize",
        choices=["crop", "pad", "stretch"],
        help="how images become square: centre crop, padding that keeps all of the image, or "
        "stretching (default: crop; stretch where boxes or masks are learned)",
    )
    parser.add_argument(
        "--augment",
        metavar="PRESET",
        help="none, light, standard, strong, document, medical, texture or spectrogram, maybe with "
        "+mixup or +cutmix behind: for the stages of the recipe that augment (default: the "
        "recipe's own, which mirrors); see `tl-keras augment`",
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        metavar="NAME",
        help="in place of the recipe's: focal or logit_adjusted to classify (focal to tag or "
        "segment, too); arcface, cosface, proxy_anchor, triplet or supervised_contrastive to embed "
        "(default: crossentropy; arcface to embed)",
    )
    parser.add_argument(
        "--head",
        metavar="NAME",
        help="what reads the base's maps: fcos or yolov8 (needs keras-cv) to detect; unet, fcn, "
        "deeplabv3plus or fpn to segment or find instances; plain or wide (a hidden layer) to "
        "classify (default: the first)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="of each device (default: 32; 8 where boxes or masks are learned)",
    )
    parser.add_argument(
        "--strategy",
        default="auto",
        choices=["auto", "cpu", "gpu", "mirrored", "tpu"],
        help="where the backbone trains (default: auto: TPU, several GPUs, one GPU or CPU)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="train in N processes, on as many machines as the engine has (default: 1)",
    )
    parser.add_argument(
        "--engine",
        choices=["ray"],
        help="what starts the workers, and starts them again when one dies",
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
        "--feature-cache",
        metavar="DIR",
        help="keep the frozen base's features in DIR for later runs; keyed by content, weights and "
        "preprocessing (default: in memory, for this run)",
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
    add_track(parser)
    add_shots(parser)
    add_folds(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Read, choose, train, evaluate, save, and say what was done and why."""
    began = time.perf_counter()
    check_shots(options)
    check_track(options)
    options.command_line = choices.said("tl-keras " + shlex.join(sys.argv[1:]))
    with messages(options.json):
        result, interrupted = (train_folds if wants_folds(options) else _train)(options)
    result["seconds"] = round(time.perf_counter() - began, 1)
    if options.json:
        print_json(result)
    elif not interrupted:
        print(f"\ndone in {result['seconds']:.0f} s")
    return 2 if interrupted else 0


def _train(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    from tl_keras.artefact.writing import check_output
    from tl_keras.backbones.registry import get_backbone
    from tl_keras.cli.resuming import settings_of, unfinished_run
    from tl_keras.data.augment.presets import preset
    from tl_keras.training.recipe_names import known_recipe

    # Everything that can be wrong with the request is found before any image is read.
    recipe = known_recipe(options.recipe)
    if options.augment is not None:
        preset(options.augment)
    if options.batch_size is not None and options.batch_size < 1:
        raise InputError(f"--batch-size is 1 or more; got {options.batch_size}")
    if not 0 < options.val_fraction < 1:
        raise InputError(f"--val-fraction lies between 0 and 1; got {options.val_fraction}")
    if options.feature_cache and options.task not in POOLED:
        raise InputError(
            f"--feature-cache keeps one vector an image, which --task {options.task} has not; "
            "leave it out, or give --cache"
        )
    check_workers(options)
    check_output(Path(options.output or "saved_models/new"))
    if options.backbone:
        get_backbone(options.backbone)
    device = start_keras()
    from tl_keras.tasks.registry import get_task

    choices.head(options.head, get_task(options.task))
    choices.check_loss(options.loss, get_task(options.task))

    base = choices.base(options.backbone, options.weights, options.image_size)
    choices.check_base(base)
    if options.data is None:
        print("No DATA given: the built-in sample set (generated pictures) is used.")
    data = choices.for_task(choices.data(options), get_task(options.task))
    print_data(data, get_task(options.task))
    print_crop(data, get_task(options.task), options.resize)
    if options.workers == 1:
        print(f"Device: {device}.")
    print(f"Backbone: {base.backbone} at {base.image_size} px, weights {base.weights}: {base.why}.")
    name = choices.data_name(options.data)
    settings = settings_of(options, data.train, data.val, recipe)
    unfinished = unfinished_run(options.output, name, settings, options.resume)
    with unfinished as (output, folder, goes_on):
        if goes_on:
            print(f"Going on with the unfinished run in {folder}; --no-resume begins anew.")
        if options.workers > 1:
            result = train_in_workers(options, output, folder)
        else:
            result = train_and_save(options, base, data, output, folder)
    saved = result["artefact"]
    if result["interrupted"]:
        print(f"interrupted: the best model so far was saved to {saved}", file=sys.stderr)
    print(f"\nSaved to {saved}: model.keras, model.json, history.csv, report.html")
    if (Path(saved) / EVENTS).is_dir():
        print(f"Curves: tensorboard --logdir {Path(saved).parent}")
    print(f"Next: tl-keras {get_task(options.task).used.format(model=saved)}")
    return result, result["interrupted"]


def train_and_save(
    options: argparse.Namespace, base: choices.Base, data: choices.Data, output: Path, folder: Path
) -> dict[str, Any]:
    """Train, measure and save; of several workers the first saves.

    Args:
        options: Parsed.
        base: What the model is built on.
        data: What it learns.
        output: Folder of the result.
        folder: Of the checkpoints.

    Returns:
        What ``--json`` prints, but for the time.
    """
    import keras

    from tl_keras.artefact.split_record import described_split
    from tl_keras.tasks.registry import get_task
    from tl_keras.training.feature_cache import FeatureCache
    from tl_keras.training.fit import fit
    from tl_keras.training.placement import choose_placement

    # Before the model, for TensorFlow makes no devices after its first operation.
    strategy = options.strategy if options.workers == 1 else "multi_worker"
    placement = choose_placement(strategy, options.precision)
    keras.utils.set_random_seed(options.seed)
    task = get_task(options.task)
    data = choices.for_task(data, task)
    weights = None if base.weights == "none" else base.weights
    model = task.build(
        base.backbone, task.names(data.train), image_size=base.image_size, weights=weights,
        head=choices.head(options.head, task),
    )  # fmt: skip
    # Of images that more than one fit is made from, features are computed once.
    whole = data.examples if options.folds else None
    if options.shots is not None:
        whole = source_of(data.examples)
    features = FeatureCache(options.feature_cache, whole=whole)
    run = fit(
        model,
        data.train,
        data.val,
        task=task,
        recipe=recipe_of(options),
        batch_size=options.batch_size,
        resize=options.resize,
        augment=options.augment,
        loss=options.loss,
        seed=options.seed,
        pretrained=base.weights != "none",
        strategy=placement,
        cache=options.cache,
        features=features,
        resume=folder,
        verbose=placement.chief,
        track=tracker_for(options, output, folder) if placement.chief else None,
    )
    trained = any(stage.solver is None for stage in run.recipe.stages)
    notes: dict[str, Any] = {
        "weights": base.weights,
        "data": choices.said(str(options.data or "built-in sample set")),
        "command": options.command_line,
        "evaluated_on": f"{len(data.val)} validation images, which "
        + ("also chose the best epoch" if trained else "chose nothing"),
        "skipped": [list(item) for item in data.examples.skipped],
        "reading": asked_of_reader(options),
        "split_rule": choices.split_rule(options, data),
    }
    if options.feature_cache:
        notes["features"] = {"computed": features.computed, "found": sorted(features.found)}
    if data.test is not None:
        notes["split"] = described_split(data.train, data.val, data.test, target=task.target)
    if placement.chief:
        _measure(options, run, notes, base, data, features)
        run.save(output, notes=notes)
        keep_events(output, folder)
    return {
        "metrics": run.metrics,
        "artefact": str(output),
        "skipped": notes["skipped"],
        "backbone": base.backbone,
        "weights": base.weights,
        "image_size": base.image_size,
        "recipe": run.recipe.name,
        "reason": run.recipe.reason,
        "interrupted": run.interrupted,
        **{key: notes[key] for key in ("test_metrics", "baselines", "few_shot") if key in notes},
    }


def _measure(
    options: argparse.Namespace, run: Any, notes: dict[str, Any], base: choices.Base,
    data: choices.Data, features: Any,
) -> None:  # fmt: skip
    """Print the figures of the run; those on other data are added to ``notes``."""
    if run.metrics:
        print(f"\nOn {len(data.val)} held-out images:")
        _print_figures(run.task, run.metrics)
        name, guess = run.task.baseline(run.metrics)
        shown = percent(guess) if isinstance(guess, dict) else f"{100 * guess:.1f} %"
        print(f"  {name:<24} {shown}")
    try:
        # From here on a Ctrl-C must not cost the model that is already trained.
        if data.test is not None:
            notes["test_metrics"] = run.evaluate(data.test)
            print(
                f"On the {len(data.test)} images of the data's own test part, never looked at "
                "before:"
            )
            _print_figures(run.task, notes["test_metrics"])
        if options.shots is not None and not run.interrupted:
            found = over_draws(options, run, data.examples, features)
            if found is not None:
                print("\n".join(draws_lines(found)))
                notes["few_shot"] = found
                name = f"Mean of {found['draws']} draws of {found['shots']} a class, "
                notes["baselines"] = {name + k: v for k, v in found["accuracy"].items()}
        sample_set = options.data is None and options.task == "classify" and not options.shots
        if sample_set and not run.interrupted and base.weights != "none":
            notes["baselines"] = against_random(options, base, data, run)
    except KeyboardInterrupt:
        run.interrupted = True


def _print_figures(task: Any, metrics: dict[str, Any]) -> None:
    for name, entry in task.headline(metrics).items():
        print(f"  {name:<24} {percent(entry)}")
