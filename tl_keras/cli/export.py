"""``tl-keras export``: a trained model as files that other programs run."""

import argparse
from pathlib import Path
from typing import Any

from tl_keras.cli.options import add_json, messages, print_json
from tl_keras.cli.startup import standard_error_to_nowhere, start_keras
from tl_keras.deployment.formats import FORMATS

_DEFAULT = ("savedmodel", "litert")
_EXAMPLES = """\
formats:
{formats}

examples:
  tl-keras export saved_models/photos
  tl-keras export saved_models/photos --format onnx --output served/
  tl-keras export saved_models/cells --format litert --images held_out/*.jpg

Every file takes "image", float32 (batch, S, S, 3) RGB from 0 to 255, resized as in training, in
batches of any size; preprocessing and decoding (non-maximum suppression, grouping of pixels) are
inside.  export.json beside the files names what comes out, the classes and the thresholds.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Write a trained model as files that run without tl_keras, and run each of them on a few "
        "pictures: a file that does not say what the model says is not kept."
    )
    lines = (f"  {name:<16}{form.line}" for name, form in FORMATS.items())
    parser.epilog = _EXAMPLES.format(formats="\n".join(lines))
    parser.add_argument("model", metavar="MODEL", help="the folder that `tl-keras train` wrote")
    parser.add_argument(
        "--format",
        nargs="+",
        choices=list(FORMATS),
        default=list(_DEFAULT),
        metavar="NAME",
        help=f"one or more of {', '.join(FORMATS)} (default: {' '.join(_DEFAULT)})",
    )
    parser.add_argument(
        "--output", metavar="DIR",
        help="where the files go; must not exist yet (default: MODEL/exported)",
    )  # fmt: skip
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="IMAGE",
        help="pictures to compare file and model on, two or more, such as the model is made for "
        "(default: eight drawn ones)",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Export, compare and print."""
    output = Path(options.output or Path(options.model) / "exported")
    with messages(options.json):
        start_keras()
        from tl_keras.deployment.export import export_model

        # The converters' chatter would drown what we have to say.
        with standard_error_to_nowhere():
            said = export_model(options.model, output, options.format, images=options.images)
    if options.json:
        print_json({"folder": str(output), **said})
        return 0
    print(f"{'file':<24}{'MB':>7}  {'batch':>5}  {'equal answers':<24}largest difference")
    for entry in said["files"].values():
        for line in _lines(entry):
            print(line)
    print(f"\nin {output}; export.json says what goes in and comes out")
    return 0


def _lines(entry: dict[str, Any]) -> list[str]:
    """A line for each size of batch; the first also names the file."""
    name, size = entry["path"], f"{entry['bytes'] / 1e6:.1f}"
    lines = []
    for batch, parity in entry["parity"].items():
        equal = f"{100 * parity['agreement']:.4g} % of {parity['compared']:,} {parity['answers']}"
        off = ", ".join(f"{key} {value:.1g}" for key, value in parity["largest_difference"].items())
        lines.append(f"{name:<24}{size:>7}  {batch:>5}  {equal:<24}{off}")
        name = size = ""
    return lines
