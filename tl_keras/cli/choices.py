"""What ``train`` decides for the user, each with its reason."""

import re
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.cli.opening import asked_of_reader, open_given
from tl_keras.cli.shots import shot_parts
from tl_keras.errors import InputError
from tl_keras.tasks.kinds import OPEN_SET, WITH_BACKGROUND


class Base(NamedTuple):
    """What the model is built on.

    Attributes:
        backbone: Its name in the registry.
        weights: ``"imagenet"``, ``"bundled"``, ``"none"`` or a path.
        image_size: Side of the square input, px.
        why: The reason for backbone and weights.
    """

    backbone: str
    weights: str
    image_size: int
    why: str


class Data(NamedTuple):
    """Examples: all of them, and the parts; ``test`` may be None."""

    examples: Any
    train: Any
    val: Any
    test: Any


def base(backbone: str | None, weights: str | None, image_size: int | None) -> Base:
    """Backbone, weights and image size from what was asked for.

    Raises:
        InputError: There is no such backbone, or it does not take this size.
    """
    from tl_keras.backbones.base import check_image_size
    from tl_keras.backbones.registry import get_backbone

    name, weights, why = backbone_and_weights(backbone, weights)
    return Base(name, weights, check_image_size(get_backbone(name), image_size, weights), why)


def check_base(base: Base) -> None:
    """Find out whether the weights are at hand.

    Raises:
        InputError: They are not, or cannot be used.
    """
    from tl_keras.backbones.registry import get_backbone
    from tl_keras.backbones.weights import check_weights

    check_weights(get_backbone(base.backbone), base.weights)


def data(options: Any) -> Data:
    """Read the examples that ``options`` name, and part them.

    Raises:
        InputError: They cannot be read, or parted.
    """
    from tl_keras.data.sample_examples import sample_examples
    from tl_keras.data.splitting import check_seed, train_val_test

    check_seed(options.seed)
    if options.tags and options.task != "tag":
        raise InputError("--tags names columns of tags; add --task tag")
    if options.data is None:
        if asked_of_reader(options):
            raise InputError(
                "--label, --classes, --background and --masks are for DATA of your own; the "
                "built-in sample set names its classes"
            )
        examples = sample_examples(background=options.task in WITH_BACKGROUND)
    else:
        examples = open_given(options, options.task)
    if options.shots is not None:
        return Data(examples, *shot_parts(examples, options.shots, options.seed))
    singles = options.task in OPEN_SET
    shares = (options.val_fraction, options.seed, options.split_by, singles)
    return Data(examples, *train_val_test(examples, *shares))


def split_rule(options: Any, data: Data) -> str:
    """How training and validation images were parted, in words."""
    from tl_keras.data.splitting.rules import rule_of

    seed, brought = options.seed, data.examples.parts
    if options.shots is not None:
        return f"{options.shots} images of each class drawn to train on, by seed {seed}"
    if "val" in brought and not options.folds:
        return "brought by the data"
    source = data.examples.part("train") if brought else data.examples
    rule, column = rule_of(source, options.split_by)
    how = {
        "stratified": "within each class", "group": "whole groups together",
        "tags": "evenly by tags", "time": f"the newest by {column}",
    }[rule]  # fmt: skip
    part = f"one of {options.folds} folds" if options.folds else (
        f"{100 * options.val_fraction:g} % held out to validate"
    )  # fmt: skip
    own = "; the test part is the data's own" if "test" in brought else ""
    return f"{part}, {how}, by seed {seed}{own}"


def for_task(data: Data, task: Any) -> Data:
    """The same as the task sees it.

    Raises:
        InputError: The data have not what it learns.
    """
    return Data(*(part if part is None else task.prepared(part) for part in data))


def head(name: str | None, task: Any) -> str | None:
    """The head asked for, which the task has.

    Raises:
        InputError: It has not.
    """
    if name is not None and name not in task.heads:
        has = f"one of {', '.join(task.heads)}" if task.heads else "one alone, so leave it out"
        raise InputError(f"--head {name} is none of --task {task.name}; it has {has}")
    return name


def check_loss(name: str | None, task: Any) -> None:
    """Raise if a loss was asked for that the task does not know.

    Raises:
        InputError: It does not.
    """
    if name is not None and name not in task.losses:
        raise InputError(
            f"--loss {name} is none of --task {task.name}; it has {', '.join(task.losses)}"
        )


def data_name(data: str | None) -> str:
    """A name for results: that of the folder or file.

    Example:
        >>> data_name("photos/"), data_name("https://host/sets/photos.zip?token=1")
        ('photos', 'photos')
    """
    if data is None:
        return "sample_set"
    if "://" in data:
        return Path(urllib.parse.urlsplit(data).path).stem or "download"
    return Path(data).resolve().name


def said(text: str) -> str:
    """A text without the queries of its URLs, which may hold somebody's key.

    Example:
        >>> said("tl-keras train 'https://host/photos.zip?token=1' --seed 1")
        "tl-keras train 'https://host/photos.zip?...' --seed 1"
    """
    return re.sub(r"(\w+://[^\s?'\"]*\?)[^\s'\"]*", r"\1...", text)


def backbone_and_weights(backbone: str | None, weights: str | None) -> tuple[str, str, str]:
    """Backbone, weights and why, from what was asked for.

    Example:
        >>> backbone_and_weights("resnet50", None)[:2]
        ('resnet50', 'imagenet')
    """
    shipped = next(iter(bundled_backbones()))
    if backbone is None:
        if weights in (None, "bundled"):
            why = "shipped with tl_keras and quick on a CPU; a larger base with ImageNet weights "
            return shipped, "bundled", why + "(--backbone mobilenet_v2) is usually more accurate"
        return shipped, weights, "the shipped base, with the weights asked for"
    if weights is None:
        return backbone, "imagenet", "asked for; ImageNet weights are the default for it"
    return backbone, weights, "asked for"
