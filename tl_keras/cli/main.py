"""``tl-keras``: one command per file; errors of the input end with 2, defects of ours with 1."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import tl_keras
from tl_keras.errors import InputError

# name -> (module, one line of help); a module is imported when its command is used.
COMMANDS = {
    "check": ("tl_keras.cli.check", "look for what is wrong with data, before training on it"),
    "advise": ("tl_keras.cli.advise", "which base, size and recipe for your images, and why"),
    "train": ("tl_keras.cli.train", "train on images: classes, tags, boxes, masks, vectors"),
    "add-class": ("tl_keras.cli.add_class", "teach a trained model new classes, in seconds"),
    "predict": ("tl_keras.cli.predict", "what a trained model says of new images"),
    "evaluate": ("tl_keras.cli.evaluate", "measure a trained model on labelled images"),
    "explain": ("tl_keras.cli.explain", "draw what in an image speaks for its class"),
    "faces": ("tl_keras.cli.faces", "enroll people, compare two pictures, name who is in one"),
    "zero-shot": ("tl_keras.cli.zero_shot", "name images by texts of your own, untrained"),
    "export": ("tl_keras.cli.export", "write a trained model as SavedModel, LiteRT or ONNX"),
    "drift": ("tl_keras.cli.drift", "tell whether new images look like the training ones"),
    "augment": ("tl_keras.cli.augment", "draw what augmentation shows the model"),
    "convert": ("tl_keras.cli.convert", "turn sound, series, mouse tracks or pages into images"),
    "index": ("tl_keras.cli.index", "make a catalogue of pictures searchable"),
    "search": ("tl_keras.cli.search", "find what in a catalogue is most like a picture"),
    "recommend": ("tl_keras.cli.recommend", "suggest items of a catalogue to its customers"),
    "rank": ("tl_keras.cli.rank", "compare the bases at hand on your images, without training"),
    "compare": ("tl_keras.cli.compare", "train several bases and recipes, and compare them"),
    "tune": ("tl_keras.cli.tune", "search for settings that do better than the defaults"),
    "lr-find": ("tl_keras.cli.lr_find", "find a learning rate by a range test"),
    "backbones": ("tl_keras.cli.backbones", "list the bases with size, speed and intended use"),
}

_EPILOG = """\
start here:
  tl-keras train                        train on the built-in sample set, nothing downloaded
  tl-keras train photos/                photos/ holds a folder per class (ants/, bees/, ...)
  tl-keras predict saved_models/photos new/*.jpg
  tl-keras evaluate saved_models/photos held_out/
  tl-keras index shop/ --out shop-index && tl-keras search shop-index query.jpg
  tl-keras COMMAND --help               every option, with examples

exit code: 0 done; 2 the input is at fault, the message says how to mend it; 1 a defect of ours
"""


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser; only ``command``'s own options are imported and added."""
    top = argparse.ArgumentParser(
        prog="tl-keras",
        description="Transfer learning for images: from a folder to a trained, evaluated model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"tl-keras {tl_keras.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, line) in COMMANDS.items():
        added = commands.add_parser(
            name, help=line, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == command:
            importlib.import_module(module).add_arguments(added)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A file name need not be valid text; printing it must not fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    named = next((word for word in arguments if word in COMMANDS), None)
    top = parser(named)
    options = top.parse_args(arguments)
    if options.command is None:
        top.print_help()
        return 0
    # TensorFlow's start-up chatter would drown what we have to say.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return importlib.import_module(COMMANDS[options.command][0]).run(options)
    except InputError as problem:
        print(f"tl-keras: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tl-keras: interrupted; nothing was left half-written", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: no defect, and nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
