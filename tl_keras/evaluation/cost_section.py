"""What a run and its model cost, as a section of the report."""

from collections.abc import Mapping
from html import escape
from typing import Any

from tl_keras.evaluation.report_blocks import facts


def cost_section(cost: Mapping[str, Any], parameters: int | None) -> str:
    """Time by stage, memory, size and speed.

    Args:
        cost: As of ``tl_keras.training.cost.measured_cost``.
        parameters: Weights of the model.

    Returns:
        HTML.

    Example:
        >>> cost = {"seconds": 61.0, "stages": [{"stage": "head", "epochs": 9, "seconds": 40.0}],
        ...         "peak_memory_bytes": None, "model_bytes": 4_300_000, "latency_ms": 9.5,
        ...         "images_per_second": 150.0, "batch": 32, "device": "TensorFlow on CPU"}
        >>> "9.5 ms" in cost_section(cost, 943_736), "21.0&nbsp;s" in cost_section(cost, 943_736)
        (True, True)
    """
    rest = cost["seconds"] - sum(stage["seconds"] for stage in cost["stages"])
    rows = [(stage["stage"], f"{stage['epochs']:,}", stage["seconds"]) for stage in cost["stages"]]
    rows.append(("features, compiling, measuring", "", max(0.0, rest)))
    rows.append(("in all", f"{sum(s['epochs'] for s in cost['stages']):,}", cost["seconds"]))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{epochs}</td><td>{_whole(seconds)}</td></tr>'
        for name, epochs, seconds in rows
    )
    said = {
        "Model on disk": _megabytes(cost["model_bytes"]),
        "Parameters": None if parameters is None else f"{parameters:,}",
        "One image": f"{cost['latency_ms']:.1f} ms, the median of forward passes",
        "In batches": (
            f"{cost['images_per_second']:,.0f} images a second, {cost['batch']} at a time"
        ),
        "Peak memory": (
            None
            if cost["peak_memory_bytes"] is None
            else f"{_megabytes(cost['peak_memory_bytes'])}, of the process that trained, with its "
            "libraries; not of an accelerator"
        ),
        "On": f"{cost['device']}, at the end of this run; reading files is not counted",
    }
    return (
        '<div class="wide"><table><thead><tr><th>Training</th><th>Epochs</th><th>Time</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
        f"{facts({name: value for name, value in said.items() if value is not None})}"
    )


def spent(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> spent(3.21), spent(75), spent(7300)
        ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _whole(seconds: float) -> str:
    return spent(seconds).replace(" ", "&nbsp;")  # a phone would break it into lines


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
