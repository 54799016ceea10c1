"""``tl-keras lr-find``: which learning rates a model can be trained with."""

import argparse
import math
from pathlib import Path
from typing import Any

from tl_keras.cli.options import VAL_FRACTION, add_data_format, add_json, messages, print_json
from tl_keras.cli.plot_file import plot_file
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras lr-find photos/                                 the head, on cached features: seconds
  tl-keras lr-find photos/ --plot rates.png
  tl-keras lr-find photos/ --backbone mobilenet_v2 --unfreeze all      the backbone too: slower

A learning-rate range test (Smith 2017) with the optimizer, loss and layer-wise rates of
`tl-keras train`. Nothing is trained that is kept; DATA is read as train reads it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Raise the learning rate batch by batch, watch the loss, and suggest a rate to train with."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", help="as for `tl-keras train`")
    add_data_format(parser)
    parser.add_argument("--backbone", metavar="NAME", help="the base network (default: as train)")
    parser.add_argument(
        "--weights", metavar="imagenet|bundled|none|PATH", help="of the base (default: as train)"
    )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="PX",
        help="side of the square input (default: the base's)",
    )
    parser.add_argument(
        "--recipe",
        default="fine_tune",
        metavar="NAME|FILE.toml",
        help="whose optimizer, loss and layer-wise rates are used (default: fine_tune)",
    )
    parser.add_argument(
        "--unfreeze",
        default="0",
        metavar="WHAT",
        help="what of the base trains: 0 nothing, 2 its last two stages, 0.5 its upper half, all "
        "(default: 0)",
    )
    parser.add_argument("--min-rate", type=float, default=1e-6, metavar="R", help="default: 1e-6")
    parser.add_argument("--max-rate", type=float, default=1.0, metavar="R", help="default: 1")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="batches; default: 100")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="default: 32")
    parser.add_argument("--plot", metavar="FILE.png", help="also draw the curve there")
    parser.add_argument(
        "--seed", type=int, default=0, help="of split, order and initial weights (default: 0)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Test and print."""
    unfreeze = _unfreeze(options.unfreeze)
    plot = plot_file(options.plot, "rates.png")
    with messages(options.json):
        start_keras()
        found, about = _find(options, unfreeze)
        if plot:
            found.plot(plot)
    if options.json:
        print_json(
            {
                "suggestion": found.suggestion._asdict(),
                "rates": found.rates.tolist(),
                "losses": found.losses.tolist(),
                "smoothed": found.smoothed.tolist(),
                "diverged": found.diverged,
                "plot": str(plot) if plot else None,
                **about,
            }
        )
    else:
        _print(found, about, plot)
    return 0


def _find(options: argparse.Namespace, unfreeze: Any) -> tuple[Any, dict[str, Any]]:
    import keras

    from tl_keras.builders.classifier import build_classifier
    from tl_keras.cli import choices
    from tl_keras.cli.opening import open_given
    from tl_keras.data.splitting import check_seed, train_val_test
    from tl_keras.training.lr_find import lr_find

    check_seed(options.seed)
    backbone, weights, image_size, _ = base = choices.base(
        options.backbone, options.weights, options.image_size
    )
    choices.check_base(base)
    examples = open_given(options)
    train, _, _ = train_val_test(examples, VAL_FRACTION, options.seed)
    keras.utils.set_random_seed(options.seed)
    model = build_classifier(
        backbone,
        len(train.class_names),
        image_size=image_size,
        weights=None if weights == "none" else weights,
    )
    found = lr_find(
        model,
        train,
        unfreeze=unfreeze,
        recipe=options.recipe,
        min_rate=options.min_rate,
        max_rate=options.max_rate,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    return found, {
        "backbone": backbone,
        "weights": weights,
        "image_size": image_size,
        "unfreeze": unfreeze,
        "images": len(train),
        "skipped": [list(item) for item in examples.skipped],
    }


def _print(found: Any, about: dict[str, Any], plot: Path | None) -> None:
    what = "head alone" if about["unfreeze"] == 0 else f"backbone unfrozen: {about['unfreeze']}"
    print(
        f"{about['backbone']} at {about['image_size']} px, weights {about['weights']}, {what}; "
        f"{about['images']} training images"
    )
    print(f"\n{'learning rate':>13}  {'loss, smoothed':>14}")
    last = len(found.rates) - 1
    for step in sorted({round(i * last / 11) for i in range(12)}):
        print(f"{found.rates[step]:>13.1e}  {found.smoothed[step]:>14.4f}")
    if found.diverged:
        print("The loss blew up there, and the test ended.")
    valley, steepest = found.suggestion
    if valley is None:
        print(
            "\nThe loss did not fall by 5 % at any rate. Look at the plot (--plot), and try "
            "another --max-rate, more --steps or --unfreeze."
        )
    else:
        print(f"\nsuggested: {valley:.1e} (valley), {steepest:.1e} (steepest slope)")
        print(
            f"Use it as learning_rate = {valley:.1e} of the stage, in a recipe file (train "
            "--recipe FILE.toml) or in tl_keras.Stage."
        )
    if plot:
        print(f"Plot: {plot}")


def _unfreeze(text: str) -> int | float | str:
    if text == "all":
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"--unfreeze is 0, a number of stages, a fraction, or all; got {text!r}")
    return number if "." in text else int(number)
