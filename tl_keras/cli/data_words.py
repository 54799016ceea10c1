"""What ``tl-keras train`` says of its data before it trains."""

from typing import Any

from tl_keras.cli import choices


def print_data(data: choices.Data, task: Any) -> None:
    """Say which names there are, how many images of each part, and what was left out."""
    parts = f"{len(data.train)} to train, {len(data.val)} to validate"
    if data.test is not None:
        parts += f", {len(data.test)} to test"
    names, skipped = task.names(data.train), data.examples.skipped
    shown = ", ".join(names[:8]) + (f", ... ({len(names)})" if len(names) > 8 else "")
    what = "tags" if task.target == "tags" else "classes"
    print(f"{len(names)} {what}: {shown}. Images: {parts}.")
    if skipped:
        print(f"{len(skipped)} files were left out:")
        for path, reason in skipped[:10]:
            print(f"  {path}: {reason}")
        if len(skipped) > 10:
            print(f"  ... and {len(skipped) - 10} more (all stand in model.json)")


def print_crop(data: choices.Data, task: Any, resize: str | None) -> None:
    """Say what the crop costs, where it cuts what is to be learned."""
    from tl_keras.data.crop_loss import crop_loss

    if task.target in ("box", "boxes", "pixels", "instances") and resize == "crop":
        said = crop_loss(data.examples, task.target)
        if said is not None:
            print(f"--{said}.")
