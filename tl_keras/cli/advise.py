"""``tl-keras advise``: which base, size and recipe to train, how long it takes here, and why."""

import argparse
from typing import Any

from tl_keras.cli.opening import open_given, words_for_reader
from tl_keras.cli.options import (
    add_bases_at_hand,
    add_data_format,
    add_json,
    messages,
    print_json,
)
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras advise photos/
  tl-keras advise photos/ --minutes 5 --max-ms 20    trains in 5 minutes, answers in 20 ms
  tl-keras advise photos/ --device phone --max-megabytes 4
  tl-keras advise photos/ --feature-cache features/ --json

For images of one class each. The bases whose weights are on this machine and that keep the limits
are ranked on your images, as by `tl-keras rank`, and a few steps of training are timed; nothing is
trained to the end and nothing is downloaded. A test part of DATA is not looked at.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Say which base to train on your images, at which size, by which recipe, how long it takes "
        "here, and why; with the command to run."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("data", metavar="DATA", help="labelled images, as for `tl-keras train`")
    add_data_format(parser)
    add_bases_at_hand(parser, "choose among")
    parser.add_argument(
        "--max-parameters", type=float, metavar="N", help="of the base, without a head"
    )
    parser.add_argument(
        "--max-ms", type=float, metavar="MS", help="for one image, by Keras on this machine"
    )
    parser.add_argument(
        "--max-megabytes", type=float, metavar="MB", help="of the base's weights in float32"
    )
    parser.add_argument(
        "--device",
        default="cpu",
        choices=["cpu", "gpu", "phone"],
        help="where the model is to run; for a phone only bases made for phones count "
        "(default: cpu)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=30.0,
        metavar="M",
        help="the longest that training may take here (default: 30)",
    )
    parser.add_argument(
        "--resize",
        default="crop",
        choices=["crop", "pad", "stretch"],
        help="how images become square (default: crop)",
    )
    parser.add_argument(
        "--feature-cache",
        metavar="DIR",
        help="keep the features in DIR, for the next time (default: compute them anew)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, choose and print."""
    with messages(options.json):
        start_keras()
        advice = _advice(options)
    command = advice.command(options.data, *words_for_reader(options))
    if options.json:
        print_json({**advice.as_dict(), "command": command})
    else:
        print(f"{advice.text()}\n\nRun:\n  {command}")
    return 0


def _advice(options: argparse.Namespace) -> Any:
    from tl_keras.selection import advise
    from tl_keras.selection.candidates import asked_for

    if options.backbones:
        asked_for(options.backbones)  # before a long scan
    return advise(
        open_given(options),
        options.backbones,
        max_parameters=options.max_parameters,
        max_milliseconds=options.max_ms,
        max_megabytes=options.max_megabytes,
        device=options.device,
        minutes=options.minutes,
        images=options.images,
        seed=options.seed,
        resize=options.resize,
        cache=options.feature_cache,
    )
