"""``tl-keras evaluate``: a trained model on labelled images."""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.options import add_data_format, add_json, add_tta, messages, percent, print_json
from tl_keras.cli.startup import start_keras

_EXAMPLES = """\
examples:
  tl-keras evaluate saved_models/photos held_out/      held_out/ holds a folder per class
  tl-keras evaluate saved_models/photos photos/ --split test --json
  tl-keras evaluate saved_models/photos held_out/ --corruptions --output measured
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Measure a trained model on images whose truth is known: accuracy, balanced accuracy, and "
        "precision, recall and F1 of every class; average precision and F1 of every tag; average "
        "precision of boxes or things; IoU of pixels: what the model learned, each with a 95 % "
        "interval."
    )
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
        help="also write report.html there, metrics.json, confusion_matrix.png, corruptions.png, "
        "and pictures of the worst images; must not exist yet",
    )
    parser.add_argument(
        "--corruptions",
        action="store_true",
        help="also measure on the images with noise, blur, JPEG, brightness and contrast in five "
        "strengths each (those of ImageNet-C, in the model's square): 25 times the work",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first file that cannot be read"
    )
    add_tta(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate and print."""
    from tl_keras.artefact.writing import check_output
    from tl_keras.cli.opening import open_given
    from tl_keras.evaluation.robustness import robustness_lines

    began = time.perf_counter()
    if options.output:
        check_output(Path(options.output))
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.evaluation_files import write_evaluation
        from tl_keras.artefact.predictor import load

        predictor = load(options.model)
        reading = predictor.description.get("reading")
        examples = open_given(options, predictor.task.name, reading)
        if options.split:
            examples = examples.part(options.split)
        task, names, settings = predictor.task, predictor.names, predictor.settings
        pairs = predictor.judged(examples, tta=options.tta)
        metrics = task.measure(*pairs, task.names_in(examples, names), settings)
        if options.output:
            folder = Path(options.output)
            folder.mkdir(exist_ok=True)
            said = {"data": choices.said(options.data), "command": choices.said(
                "tl-keras " + shlex.join(sys.argv[1:]))}  # fmt: skip
            write_evaluation(folder, predictor, examples, pairs, metrics, **said)
        table = _robustness(options, predictor, examples)
    skipped = [list(item) for item in examples.skipped]
    if options.json:
        seconds = round(time.perf_counter() - began, 1)
        worse = {} if table is None else {"corruptions": table}
        print_json({"metrics": metrics, **worse, "skipped": skipped, "seconds": seconds})
    else:
        print_metrics(predictor.task, metrics, skipped)
        if table is not None:
            print("\n" + "\n".join(robustness_lines(table)))
    return 0


def _robustness(
    options: argparse.Namespace, predictor: Any, examples: Any
) -> dict[str, Any] | None:
    """The table of figures on images made worse, where it was asked for."""
    if not options.corruptions:
        return None
    from tl_keras.artefact.robustness import robustness
    from tl_keras.evaluation.robustness import plot_robustness

    table = robustness(predictor, examples, tta=options.tta, verbose=True)
    if options.output:
        folder = Path(options.output)
        (folder / "corruptions.json").write_text(json.dumps(table, indent=1))
        plot_robustness(table, folder / "corruptions.png")
    return table


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
