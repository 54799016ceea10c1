"""What pretraining is worth: the same head on a base that learned nothing."""

import argparse
import sys
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.options import percent


def against_random(
    options: argparse.Namespace, base: choices.Base, data: choices.Data, run: Any
) -> dict[str, dict[str, float]]:
    """Say what pretraining is worth: the head alone on learned and on random features.

    Args:
        options: Of ``tl-keras train``, parsed.
        base: What the model is built on.
        data: What it learned.
        run: Of the model.

    Returns:
        The figure by its name in the report.

    Raises:
        KeyboardInterrupt: The training was interrupted.
    """
    scratch = _random_weights_accuracy(options, base, data)
    print(f"  {'head, random base':<24} {percent(scratch)}")
    head = [row["val_accuracy"] for row in run.history if row["stage"] == "head"]
    if head:
        gain = 100 * (max(head) - scratch["value"])
        print(
            f"The head alone reached {100 * max(head):.1f} % on the pretrained base: transfer is "
            f"worth {gain:+.1f} points here."
        )
    return {"Same head on random weights": scratch}


def _random_weights_accuracy(
    options: argparse.Namespace, base: choices.Base, data: choices.Data
) -> dict[str, float]:
    """Accuracy of the same head, trained the same way, on a backbone that learned nothing."""
    import keras

    from tl_keras.backbones.calibration import calibrate_batch_norm
    from tl_keras.tasks.registry import get_task
    from tl_keras.training.fit import fit

    print("\nFor comparison, the same head on random backbone weights ...", file=sys.stderr)
    keras.utils.set_random_seed(options.seed)
    train, size = data.train, base.image_size
    task = get_task(options.task)
    model = task.build(
        base.backbone, task.names(train), image_size=size, weights=None, head=options.head
    )
    images, _ = next(iter(train.dataset(64, size, resize=options.resize or "crop", shuffle=True)))
    calibrate_batch_norm(model, images)
    run = fit(
        model, train, data.val, recipe="feature_extraction", seed=options.seed,
        batch_size=options.batch_size, resize=options.resize, verbose=False,
    )  # fmt: skip
    if run.interrupted:
        raise KeyboardInterrupt
    return run.metrics["accuracy"]
