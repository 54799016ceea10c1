"""What folds say together: ``folds.json``, a page, lines on the terminal, and the ensemble."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tl_keras.cli.options import messages, percent

_NOTES = (
    "Each fold's validation images also chose its best epoch: the figures flatter a little.",
    "The interval is a {interval}: where models trained on new data of this size and kind would "
    "lie on average.",
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
        members = [result / f"fold-{number}" for number in range(1, len(sizes) + 1)]
        said = [json.loads((member / "model.json").read_text()) for member in members]
        summary = _summarise(options, said, sizes)
        if options.ensemble:
            metrics = write_ensemble(members, result, test, command=options.command_line)
            summary["ensemble"] = {"members": len(members), "test_metrics": metrics}
        _write_page(options, task, said[0], summary, result / "report.html")
        _print_summary(summary, task, said[0])
        sys.stdout.flush()
    return summary


def _summarise(
    options: argparse.Namespace, said: list[dict[str, Any]], sizes: list[tuple[int, int]]
) -> dict[str, Any]:
    from tl_keras.evaluation.fold_figures import INTERVAL, fold_figures

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
        # The same test images for all: this spread makes no interval.
        tested = fold_figures([fold["test_metrics"] for fold in said], held_out)
        summary["test_metrics"] = {
            name: {key: figure[key] for key in ("value", "sd", "values")}
            for name, figure in tested.items()
        }
    return summary


def _write_page(
    options: argparse.Namespace, task: Any, one: dict[str, Any], summary: dict[str, Any], path: Path
) -> None:
    from tl_keras.evaluation.fold_page import write_fold_page

    tested = {}
    if "test_metrics" in summary:
        for name, figure in _headline(task, summary["test_metrics"], one).items():
            tested[f"{name}, models of the folds"] = _spread(figure)
    if _of_ensemble(summary):
        for name, figure in task.headline(_of_ensemble(summary)).items():
            tested[f"{name}, the ensemble"] = percent(figure)
    write_fold_page(
        path,
        title=f"{Path(one['data']).name}: {len(summary['runs'])} folds",
        headline=_headline(task, summary["metrics"], one),
        figures=summary["metrics"],
        folds=summary["runs"],
        about={
            "Backbone": one["backbone"], "Weights": one["weights"],
            "Recipe": f"{one['recipe']['name']}: {one['recipe']['reason']}",
            "Data": one["data"], "Folds": f"{options.folds}, dealt {options.repeats} times",
            "Split by": options.split_by,
        },
        notes=[note.format(interval=summary["interval"]) for note in _NOTES],
        tested=tested,
        reproduce={"command": options.command_line, "Versions": one["versions"]},
    )  # fmt: skip


def _headline(task: Any, figures: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """The figures to show first, but for those that not every fold has."""
    told = task.headline({**dict.fromkeys(one["metrics"]), **figures})
    return {name: figure for name, figure in told.items() if figure is not None}


def _of_ensemble(summary: dict[str, Any]) -> dict[str, Any] | None:
    return summary.get("ensemble", {}).get("test_metrics")


def _spread(figure: dict[str, Any]) -> str:
    return f"{100 * figure['value']:.1f} ± {100 * figure['sd']:.1f} %"


def _print_summary(summary: dict[str, Any], task: Any, one: dict[str, Any]) -> None:
    runs = len(summary["runs"])
    print(f"\nOver {runs} folds (mean ± standard deviation; {summary['interval']}):")
    _print_figures(_headline(task, summary["metrics"], one))
    if "test_metrics" in summary:
        print("On the data's own test part, models of the folds (mean ± standard deviation):")
        for name, figure in _headline(task, summary["test_metrics"], one).items():
            print(f"  {name:<24} {_spread(figure)}")
    ensemble = _of_ensemble(summary)
    if ensemble:
        print("and the ensemble, on the same images:")
        for name, figure in task.headline(ensemble).items():
            print(f"  {name:<24} {percent(figure)}")


def _print_figures(figures: dict[str, Any]) -> None:
    for name, figure in figures.items():
        value, sd, low, high = (100 * figure[key] for key in ("value", "sd", "low", "high"))
        folds = "  ".join(f"{100 * value:.1f}" for value in figure["values"])
        print(f"  {name:<24} {value:.1f} ± {sd:.1f} %  ({low:.1f} to {high:.1f})   {folds}")
