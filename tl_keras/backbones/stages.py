"""One stage map per base: which layers run at which resolution, in order.

Staged unfreezing, layer-wise learning rates, feature pyramids and Grad-CAM all read it.  It is
derived from the graph, not from names, so that it also fits a base that a user registers.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import keras

from tl_keras.backbones.graph import Step, trace
from tl_keras.backbones.registry import get_backbone, list_backbones


@dataclass(frozen=True)
class Block:
    """Layers of one stage that the backbone's authors count as a unit.

    Attributes:
        name: Such as ``"block_6"``; the stage's name where no pattern is known.  A block that
            lowers the resolution half-way stands in two stages.
        layers: Its leaf layers of this stage, in topological order.
    """

    name: str
    layers: tuple[keras.Layer, ...]


@dataclass(frozen=True)
class Stage:
    """The layers of a base whose output has one stride.

    Attributes:
        name: ``"stem"`` (stride 1 and 2), ``"stage2"`` (4), ``"stage3"`` (8), ``"stage4"`` (16),
            ``"stage5"`` (32): the number is the base-2 logarithm of the stride, as in C2..C5 of
            feature pyramids (https://arxiv.org/abs/1612.03144).
        layers: Its leaf layers in topological order; those of nested models included.
        stride: Image pixels per feature-map pixel at its end.
        blocks: The same layers, grouped.
        output: The last tensor of this stride that everything later is computed from; where
            branches cross the border (NASNet), the widest that joins branches.  None if the stage
            lies inside a nested model.  ``keras.Model(base.input, stage.output)`` taps it.
    """

    name: str
    layers: tuple[keras.Layer, ...]
    stride: int
    blocks: tuple[Block, ...]
    output: keras.KerasTensor | None


@dataclass(frozen=True)
class StageMap:
    """The stages of a base from its input to its output; iterable, indexable by name or number.

    Attributes:
        stages: The stages.
    """

    stages: tuple[Stage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the stages, in order."""
        return tuple(stage.name for stage in self.stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    def __getitem__(self, key: int | str) -> Stage:
        return self.stages[self.names.index(key) if isinstance(key, str) else key]


def stage_map(base: keras.Model) -> StageMap:
    """Cut a base into stages by the output stride of its layers.

    A layer's stride is the product of the strides on the way to it.  Layers behind a global
    pooling (squeeze-and-excite) belong to the stage that they weigh.  Where branches run in
    parallel, the topological order is sorted by stride, which keeps it topological since strides
    do not fall.  Upsampling inside a base does not lower the stride.

    Args:
        base: A functional model, such as ``build_backbone`` returns or ``find_backbone`` finds.

    Returns:
        The map: every leaf layer of the base exactly once (input layers hold nothing and are
        left out), strides rising from stage to stage.

    Example:
        >>> from tl_keras.backbones.base import build_backbone
        >>> stages = stage_map(build_backbone("resnet50", 64, weights=None))
        >>> [(stage.name, stage.stride) for stage in stages]
        [('stem', 2), ('stage2', 4), ('stage3', 8), ('stage4', 16), ('stage5', 32)]
        >>> [block.name for block in stages["stage5"].blocks]
        ['conv5_block1', 'conv5_block2', 'conv5_block3']
        >>> stages["stage4"].output.shape
        (None, 4, 4, 1024)
    """
    steps = sorted(trace(base), key=lambda step: _level(step.stride))
    leaves = sorted(
        ((layer, stride) for step in steps for layer, stride in step.leaves),
        key=lambda leaf: _level(leaf[1]),
    )
    names = _block_names(base, [layer for layer, _ in leaves])
    outputs = _outputs(steps)
    stages = []
    for level in sorted({_level(stride) for _, stride in leaves}):
        name = "stem" if level == 1 else f"stage{level}"
        members = [i for i, (_, stride) in enumerate(leaves) if _level(stride) == level]
        blocks: dict[str, list[keras.Layer]] = {}
        for i in members:
            blocks.setdefault(names[i] or name, []).append(leaves[i][0])
        stages.append(
            Stage(
                name=name,
                layers=tuple(leaves[i][0] for i in members),
                stride=max(leaves[i][1] for i in members),
                blocks=tuple(Block(block, tuple(layers)) for block, layers in blocks.items()),
                output=outputs.get(level),
            )
        )
    return StageMap(tuple(stages))


def _level(stride: int) -> int:
    # Strides 1 and 2 share the stem: no base does more than a convolution or two at stride 1.
    return max(1, round(math.log2(stride)))


def _block_names(base: keras.Model, layers: list[keras.Layer]) -> list[str | None]:
    """A block name per layer; from the next layer that has one, since blocks end in named joins."""
    patterns = get_backbone(base.name).block_patterns if base.name in list_backbones() else ()
    if not patterns:
        return [None] * len(layers)
    names: list[str | None] = []
    following = "top"
    for layer in reversed(layers):
        for pattern in patterns:
            match = re.search(pattern, layer.name)
            if match:
                following = match[0]
                if match.lastgroup:
                    following = f"{match.lastgroup}_{match[match.lastgroup]}"
                break
        names.append(following)
    return names[::-1]


def _outputs(steps: list[Step]) -> dict[int, keras.KerasTensor]:
    """Per level the tensor to tap."""
    position = {id(step.output): i for i, step in enumerate(steps)}
    last_use = list(range(len(steps)))
    for i, step in enumerate(steps):
        for tensor in step.inputs:
            if id(tensor) in position:
                last_use[position[id(tensor)]] = i
    waists: dict[int, keras.KerasTensor] = {}
    others: dict[int, keras.KerasTensor] = {}
    rank: dict[int, tuple[bool, int]] = {}
    reached = 0  # the furthest step that reads anything computed so far
    for i, step in enumerate(steps):
        level = _level(step.stride)
        if not step.pooled and not step.pads:
            if reached <= i:
                waists[level] = step.output
            candidate = (len(step.inputs) > 1, step.output.shape[-1] or 0)
            if candidate >= rank.get(level, (False, 0)):
                rank[level], others[level] = candidate, step.output
        reached = max(reached, last_use[i])
    return {**others, **waists}
