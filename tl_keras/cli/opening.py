"""From the options that say what DATA is to the table."""

import argparse
from collections.abc import Mapping
from typing import Any

from tl_keras.tasks.kinds import NEEDS, WITH_BACKGROUND

_BACKGROUND = "background"


def open_given(
    options: argparse.Namespace, task: str = "classify", defaults: Mapping[str, Any] | None = None
) -> Any:
    """The examples that ``options`` name.

    Args:
        options: With those of ``add_data_format`` and ``data``, maybe ``tags`` and ``strict``.
        task: What is learned of them.
        defaults: Options of readers that were given when a model was trained.

    Raises:
        InputError: They cannot be read, or an option is not for data of this kind.
    """
    from tl_keras.data.reading.opening import open_data

    usual = {"background": _BACKGROUND} if task in WITH_BACKGROUND else {}
    return open_data(
        options.data,
        format=options.data_format,
        strict=getattr(options, "strict", False),
        defaults={**usual, **(defaults or {})},
        brings=NEEDS.get(task),
        tags=getattr(options, "tags", None),
        **asked_of_reader(options),
    )


def asked_of_reader(options: argparse.Namespace) -> dict[str, Any]:
    """What was said about the column of labels and about masks; stands in ``model.json``."""
    asked = {
        "label": options.label,
        "class_names": options.classes,
        "background": options.background,
        "kind": options.masks,
    }
    return {name: value for name, value in asked.items() if value is not None}


def words_for_reader(options: argparse.Namespace) -> list[str]:
    """The same as words of a command that is to read DATA as this one did."""
    given = {
        "--data-format": options.data_format,
        "--label": options.label,
        "--masks": options.masks,
        "--background": options.background,
    }
    words = [word for name, value in given.items() if value for word in (name, value)]
    return [*words, *(["--classes", *options.classes] if options.classes else [])]
