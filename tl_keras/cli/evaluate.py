"""``tl-keras evaluate``: a trained model on labelled images."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from tl_keras.cli.options import add_data_format, add_json, add_tta, messages, percent, print_json
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras evaluate saved_models/photos held_out/      held_out/ holds a folder per class
  tl-keras evaluate saved_models/photos photos/ --split test --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Measure a trained model on labelled images: accuracy, balanced accuracy, and precision, "
        "recall and F1 of every class, or average precision and F1 of every tag, each with a "
        "95 % interval."
    ).replace("%", "%%")
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="the folder that `tl-keras train` wrote")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="as for `tl-keras train`; classes are named as in training",
    )
    add_data_format(parser)
    parser.add_argument(
        "--split",
        choices=["train", "val", "test"],
        help="only this part, where DATA has train/, val/ or test/ folders (default: all)",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="also write confusion_matrix.png and metrics.json there; must not exist yet",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first file that cannot be read"
    )
    add_tta(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate and print."""
    from tl_keras.artefact.writing import check_output
    from tl_keras.data import open_data

    began = time.perf_counter()
    if options.output:
        check_output(Path(options.output))
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.predictor import load

        predictor = load(options.model)
        examples = open_data(options.data, format=options.data_format, strict=options.strict)
        if options.split:
            examples = examples.part(options.split)
        metrics = predictor.evaluate(examples, tta=options.tta)
        if options.output:
            folder = Path(options.output)
            folder.mkdir(exist_ok=True)
            if "confusion_matrix" in metrics:
                from tl_keras.evaluation.plots import plot_confusion_matrix

                plot_confusion_matrix(metrics, folder / "confusion_matrix.png")
            (folder / "metrics.json").write_text(json.dumps(metrics, indent=1))
    skipped = [list(item) for item in examples.skipped]
    if options.json:
        seconds = round(time.perf_counter() - began, 1)
        print_json({"metrics": metrics, "skipped": skipped, "seconds": seconds})
    else:
        print_metrics(predictor.task, metrics, skipped)
    return 0


def print_metrics(task: Any, metrics: dict, skipped: list) -> None:
    """Key figures, and the table of classes or tags."""
    for name, entry in task.headline(metrics).items():
        print(f"{name:<24} {percent(entry)}")
    print("\n" + "\n".join(task.table(metrics)))
    for note in metrics["notes"]:
        print(note)
    if skipped:
        print(f"\n{len(skipped)} files left out:")
        for path, reason in skipped:
            print(f"  {path}: {reason}")
