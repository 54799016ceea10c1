"""``tl-keras augment``: a picture of what the model will see."""

import argparse
from pathlib import Path

from tl_keras.cli.options import add_data_format, add_json, messages, print_json
from tl_keras.errors import InputError

_EXAMPLES = """\
presets (a name may be followed by +mixup, +cutmix or both, which mix images and targets):
{presets}

examples:
  tl-keras augment photos/ --preview sheet.png
  tl-keras augment photos/ --preview sheet.png --preset all --draws 2
  tl-keras augment tiles/ --preview sheet.png --preset standard,texture --image-size 128
"""
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    from tl_keras.data.augment.presets import PRESETS

    lines = (f"  {name:<12} {item.summary}" for name, item in PRESETS.items())
    parser.description = (
        "Draw a contact sheet: some images as the first epochs of a training will show them, at "
        "the model's size, with their boxes and masks where there are any."
    )
    parser.epilog = _EXAMPLES.format(presets="\n".join(lines))
    parser.add_argument("data", metavar="DATA", help="a folder per class, or other data")
    parser.add_argument("--preview", metavar="OUT.png", required=True, help="the picture to write")
    parser.add_argument(
        "--preset", default="standard", metavar="NAME[,NAME]|all",
        help="which to show; several stand side by side (default: standard)",
    )  # fmt: skip
    parser.add_argument("--images", type=int, default=4, metavar="N", help="images (default: 4)")
    parser.add_argument(
        "--draws", type=int, default=6, metavar="N", help="draws of each image (default: 6)"
    )
    parser.add_argument(
        "--image-size", type=int, default=224, metavar="PX",
        help="side of the model's square input (default: 224)",
    )  # fmt: skip
    parser.add_argument(
        "--resize", default="crop", choices=["crop", "pad", "stretch"],
        help="how an image becomes square (default: crop)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of images and draws (default: 0)")
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first file that cannot be read"
    )
    add_data_format(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Draw and write."""
    from tl_keras.cli.opening import open_given
    from tl_keras.data import contact_sheet
    from tl_keras.data.augment.presets import PRESETS, preset

    target = Path(options.preview)
    if target.suffix.lower() not in _PICTURES:
        raise InputError(
            f"--preview {options.preview} is no picture; give a name that ends in "
            + ", ".join(_PICTURES)
        )
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(
            f"--preview {options.preview} cannot be written; name a picture in a folder that exists"
        )
    names = options.preset.split(",")
    if names == ["all"]:
        names = [name for name in PRESETS if name != "none"]
    for name in names:
        preset(name)
    with messages(options.json):
        examples = open_given(options)
        sheet = contact_sheet(
            examples, names, images=options.images, draws=options.draws,
            image_size=options.image_size, resize=options.resize, seed=options.seed,
        )  # fmt: skip
        try:
            sheet.save(target)
        except OSError as problem:
            reason = problem.strerror or problem
            raise InputError(f"--preview {target} cannot be written ({reason})") from None
    skipped = [list(item) for item in examples.skipped]
    if options.json:
        print_json({"preview": str(target), "presets": names, "skipped": skipped})
        return 0
    print(f"{target}: {sheet.width} x {sheet.height} px")
    for name in names:
        print(f"  {name:<12} {preset(name).summary}")
    return 0
