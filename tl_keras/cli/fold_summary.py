"""What folds say together: ``folds.json``, a page, lines on the terminal, and the ensemble."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tl_keras.cli.options import messages, percent

_NOTES = (
    "Each fold's validation images also chose its best epoch: the figures flatter a little.",
    "The interval is {interval}: where models trained on new data of this size and kind would lie "
    "on average.",
)


def finish(
    given: dict[str, Any], where: str, sizes: list[tuple[int, int]], test: Any
) -> dict[str, Any]:
    """Write and print what the folds say together, and their ensemble, in a process of its own.

    Args:
        given: Options of the command.
        where: The folder with ``fold-1``, ``fold-2`` …
        sizes: Of each fold, images trained and validated on.
        test: Examples that stand in no fold, or None.

    Returns:
        The contents of ``folds.json``.
    """
    from tl_keras.cli.startup import start_keras

    options, result = argparse.Namespace(**given), Path(where)
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.ensemble import write_ensemble
        from tl_keras.tasks.registry import get_task

        task = get_task(options.task)
        summary = _summarise(options, task, result, sizes)
        if options.ensemble:
            members = [result / f"fold-{number}" for number in range(1, len(sizes) + 1)]
            metrics = write_ensemble(members, result, test, command=options.command_line)
            summary["ensemble"] = {"members": len(members), "test_metrics": metrics}
        _print_summary(summary, task)
        sys.stdout.flush()
    return summary


def _summarise(
    options: argparse.Namespace, task: Any, result: Path, sizes: list[tuple[int, int]]
) -> dict[str, Any]:
    from tl_keras.evaluation.fold_figures import INTERVAL, fold_figures
    from tl_keras.evaluation.fold_page import write_fold_page

    said = [
        json.loads((result / f"fold-{number}" / "model.json").read_text())
        for number in range(1, len(sizes) + 1)
    ]
    shares = [val / train for train, val in sizes]
    held_out = sum(shares) / len(shares)
    figures = fold_figures([fold["metrics"] for fold in said], held_out)
    rows = [
        {
            "name": f"fold {number}",
            "link": f"fold-{number}/report.html",
            "train": train,
            "val": val,
            "split": fold["split"]["fingerprint"],
            "seed": fold["seed"],
            "best_epoch": fold["best_epoch"],
        }
        for number, ((train, val), fold) in enumerate(zip(sizes, said, strict=True), 1)
    ]
    summary: dict[str, Any] = {
        "folds": options.folds, "repeats": options.repeats, "split_by": options.split_by,
        "interval": INTERVAL, "metrics": figures, "runs": rows,
        "recipe": said[0]["recipe"]["name"], "backbone": said[0]["backbone"],
        "skipped": said[0]["skipped"],
    }  # fmt: skip
    if "test_metrics" in said[0]:
        # The same test images for all: the spread is that of training alone.
        summary["test_metrics"] = fold_figures([fold["test_metrics"] for fold in said], 0.0)
    write_fold_page(
        result / "report.html",
        title=f"{Path(said[0]['data']).name}: {len(sizes)} folds",
        headline=task.headline(figures),
        figures=figures,
        folds=rows,
        about={
            "Backbone": said[0]["backbone"], "Weights": said[0]["weights"],
            "Recipe": f"{said[0]['recipe']['name']}: {said[0]['recipe']['reason']}",
            "Data": said[0]["data"], "Folds": f"{options.folds}, dealt {options.repeats} times",
            "Split by": options.split_by,
        },
        notes=[note.format(interval=INTERVAL) for note in _NOTES],
        reproduce={"command": options.command_line, "Versions": said[0]["versions"]},
    )  # fmt: skip
    return summary


def _print_summary(summary: dict[str, Any], task: Any) -> None:
    headline = task.headline
    runs = len(summary["runs"])
    print(f"\nOver {runs} folds (mean ± standard deviation; {summary['interval']}):")
    _print_figures(headline(summary["metrics"]))
    if "test_metrics" in summary:
        print("On the data's own test part, models of the folds (mean ± standard deviation):")
        for name, figure in headline(summary["test_metrics"]).items():
            print(f"  {name:<24} {100 * figure['value']:.1f} ± {100 * figure['sd']:.1f} %")
    ensemble = summary.get("ensemble", {}).get("test_metrics")
    if ensemble:
        print("and the ensemble, on the same images:")
        for name, figure in headline(ensemble).items():
            print(f"  {name:<24} {percent(figure)}")


def _print_figures(figures: dict[str, Any]) -> None:
    for name, figure in figures.items():
        value, sd, low, high = (100 * figure[key] for key in ("value", "sd", "low", "high"))
        folds = "  ".join(f"{100 * value:.1f}" for value in figure["values"])
        print(f"  {name:<24} {value:.1f} ± {sd:.1f} %  ({low:.1f} to {high:.1f})   {folds}")
