"""The page of a search."""

from html import escape

from tl_keras.evaluation.html_page import html_page
from tl_keras.evaluation.report_blocks import cards, facts, picture, reproduction, section, share
from tl_keras.selection.search_parameters import PARAMETERS, value_shown, values_said
from tl_keras.selection.tuning_plots import draw_history, draw_parameters
from tl_keras.selection.tuning_result import TunedTrial, Tuning

_NOTES = (
    "Validation figures chose: of many trials the best one's flatters it, the more so the more "
    "trials there are and the fewer images. The comparison with the defaults is on images that "
    "chose nothing, neither settings nor epochs.",
    "Its interval says how far other images of the same kind would move the difference; p is how "
    "often chance alone makes one as large (an exact test of signs, image by image). Both sides "
    "were trained with the same three seeds, which the search had not used.",
    "A trial that was cut short had fallen behind others after as many epochs; its figure is what "
    "it had reached.",
)


def tuning_page(tuning: Tuning, command: str = "") -> str:
    """The whole page, HTML.

    Args:
        tuning: Of ``tl.tune``.
        command: That trains by the settings worth keeping.
    """
    found = tuning.comparison
    shown = {}
    if found is not None:
        shown = {"best found": found["best"], "defaults": found["defaults"]}
    states = [one.state for one in tuning.trials]
    counted = (
        f"{len(states)} trials, {states.count('pruned')} of them cut short"
        + (f", {states.count('failed')} failed" if "failed" in states else "")
        + "; "
        + ", ".join(f"{count:,} images {part}" for part, count in tuning.parts.items())
    )
    about = f"<p>{escape(tuning.verdict)}</p><p>{escape(counted)}.</p>{cards(shown)}"
    best = tuning.space.active(tuning.best.settings)
    mattered = (
        "Per cent: share of the spread between trials that the parameter explains (PED-ANOVA)."
        if tuning.importance
        else ""
    )
    default = f"{tuning.default_recipe.name}: {tuning.default_recipe.reason}"
    body = "".join([
        section("How it went", picture(draw_history, tuning, "Accuracy of each trial")),
        section(
            "Where the good trials lie",
            (f"<p>{escape(mattered)}</p>" if mattered else "")
            + picture(draw_parameters, tuning, "Accuracy over each parameter"),
        ),
        section(
            "The best settings",
            facts({name: values_said((value,)) for name, value in best.items()}),
        ),
        section("Every trial", _table(tuning)),
        section(
            "What was searched",
            facts({
                name: f"{values_said(values)} ({PARAMETERS[name].meaning})"
                for name, values in tuning.space.searched.items()
            } | {"The defaults": default}),
        ),
        section("What these figures are", "".join(f"<p>{escape(note)}</p>" for note in _NOTES)),
        section("How to train now", reproduction({"command": command})),
    ])  # fmt: skip
    return html_page(f"Tuning: {tuning.name}", about, body)


def _table(tuning: Tuning) -> str:
    names = list(tuning.space.searched)
    head = "".join(
        f"<th>{escape(name)}</th>" for name in ("Trial", "Validation", "Epochs", "Seconds", *names)
    )
    rows = "".join(_table_row(tuning, one, names) for one in tuning.trials)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _table_row(tuning: Tuning, one: TunedTrial, names: list[str]) -> str:
    said = "defaults" if one.defaults else {"pruned": "cut short"}.get(one.state, one.reason)
    if one.number == tuning.best.number:
        said = f"{said}, best".removeprefix(", ")
    active = tuning.space.active(one.settings) if one.settings else {}
    cells = [share(one.accuracy)]
    cells += ["–" if value is None else f"{value:g}" for value in (one.epochs, one.seconds)]
    cells += [value_shown(active[name]) if name in active else "–" for name in names]
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{one.number}<small> {escape(said)}</small></th>{shown}</tr>'
