"""What the package knows of one backbone: a short record, no code of its own."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tl_keras.errors import InputError

PREPROCESSING = ("tf", "tf128", "torch", "caffe", "none")
"""Known preprocessings; :func:`tl_keras.backbones.preprocessing.apply_preprocessing` says what
each one does."""


@dataclass(frozen=True)
class Backbone:
    """A backbone: how it is built, what it expects, where its weights come from.

    Attributes:
        name: Name in the registry, in snake_case; also the name of the nested model, so that a
            reloaded ``.keras`` file can be mapped back to its record.
        builder: A callable, or ``"module:function"`` imported on first use.  It is called as
            ``builder(input_shape=(size, size, 3), **arguments)``, with ``weights=None`` or
            ``weights="imagenet"`` besides if ``"imagenet"`` is among ``weights``, and returns a
            functional ``keras.Model`` from images to a (batch, height, width, channels) output.
        family: What the backbone is a size of, such as ``"MobileNetV2"``; by default the name.
        arguments: Keyword arguments of the builder.
        preprocessing: What pixels 0..255 RGB go through before the base: ``"tf"``, ``"tf128"``,
            ``"torch"``, ``"caffe"`` or ``"none"``.
        image_size: Side of the square image, px, that the published weights were made for.
        minimum_size: Smallest side that the builder accepts, px.
        parameters: Number of parameters of the base, without a head; None if unknown.
        block_patterns: Regular expressions, tried in order, that find a block's name in a
            layer's name (the text of the match; with a named group, ``group_text``).  A layer that
            matches none belongs to the block of the next layer that does.
        weights: Published weights, of ``"imagenet"`` and ``"bundled"``.
        weights_file: Name of the file that Keras keeps its ImageNet weights without top in, with
            ``{size}`` where there is a file for each of several image sizes; empty if unknown.
        first_layer: Name of the layer where the base begins, if the builder puts preprocessing
            before it that cannot be switched off; what comes before is cut away.
        use: What it is good for, in one line.
        licence: Licence of the published weights.

    Raises:
        InputError: A field has a value that cannot be used.

    Example:
        >>> Backbone("tiny", "my_package:tiny_base", image_size=64, preprocessing="tf").family
        'tiny'
    """

    name: str
    builder: Callable[..., Any] | str
    family: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: str = "none"
    image_size: int = 224
    minimum_size: int = 32
    parameters: int | None = None
    block_patterns: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    weights_file: str = ""
    first_layer: str | None = None
    use: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", str(self.name)):
            raise InputError(
                f"backbone name {self.name!r} cannot be used; "
                "give lower-case letters, digits and underscores"
            )
        if not callable(self.builder) and ":" not in str(self.builder):
            raise InputError(
                f"builder {self.builder!r} of backbone {self.name!r} cannot be called; "
                'give a callable or "module:function"'
            )
        if self.preprocessing not in PREPROCESSING:
            raise InputError(
                f"preprocessing {self.preprocessing!r} of backbone {self.name!r} is unknown; "
                f"give one of {', '.join(PREPROCESSING)}"
            )
        if not 1 <= self.minimum_size <= self.image_size:
            raise InputError(
                f"backbone {self.name!r} has minimum_size={self.minimum_size} and "
                f"image_size={self.image_size}; give 1 <= minimum_size <= image_size"
            )
        unknown = set(self.weights) - {"imagenet", "bundled"}
        if unknown:
            raise InputError(
                f"weights {sorted(unknown)} of backbone {self.name!r} are unknown; "
                "give names of ('imagenet', 'bundled'), or a path when building"
            )
        for pattern in self.block_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(
                    f"block pattern {pattern!r} of backbone {self.name!r} is no regular "
                    f"expression ({error}); correct it"
                ) from error
        object.__setattr__(self, "family", self.family or self.name)
        object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))
