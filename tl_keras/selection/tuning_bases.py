"""The bases that a search builds models on, by the names that they have in settings."""

from dataclasses import dataclass

from tl_keras.backbones.base import check_image_size
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.backbones.registry import get_backbone
from tl_keras.selection.candidates import Candidate, asked_for
from tl_keras.selection.search_space import SearchSpace


@dataclass(frozen=True)
class TuningBase:
    """What models are built on.

    Attributes:
        backbone: Its name in the registry.
        weights: As of ``build_classifier``.
        image_size: Side of the square image, px.
        said: The weights as on the command line.
    """

    backbone: str
    weights: str | None
    image_size: int
    said: str


def asked_base(
    backbone: str | None, weights: str | None, image_size: int | None
) -> tuple[str, TuningBase]:
    """The base asked for, by the name that it has in settings."""
    shipped = next(iter(bundled_backbones()))
    name = shipped if backbone is None else backbone
    weights = ("bundled" if backbone is None else "imagenet") if weights is None else weights
    size = check_image_size(get_backbone(name), image_size, weights)
    known = weights if weights in ("bundled", "imagenet") else "imagenet"
    base = TuningBase(name, None if weights == "none" else weights, size, weights)
    return Candidate(name, known, size).name, base


def searched_bases(space: SearchSpace, asked: str) -> dict[str, TuningBase]:
    """Those that are searched beside the one asked for."""
    found = {}
    for name in space.searched.get("base", ()):
        for one in asked_for([name]) if name != asked else ():
            if one.name == name:
                weights = one.weights if one.file is None else str(one.file)
                found[name] = TuningBase(one.backbone, weights, one.image_size, one.weights)
    return found
