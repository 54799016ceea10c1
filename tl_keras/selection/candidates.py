"""Which bases can be compared here and now: those whose weights need no download."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tl_keras.backbones.base import check_image_size
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.backbones.record import Backbone
from tl_keras.backbones.registry import get_backbone, list_backbones
from tl_keras.backbones.weight_files import file_for, files_at_hand, weights_folder
from tl_keras.errors import InputError


@dataclass(frozen=True)
class Candidate:
    """A base with weights, at an image size.

    Attributes:
        backbone: Its name in the registry.
        weights: ``"imagenet"`` or ``"bundled"``.
        image_size: Side of the square image, px.
        file: The weights; None for those that ship with the package.

    Example:
        >>> Candidate("mobilenet_v2", "imagenet", 224, Path("weights.h5")).name
        'mobilenet_v2@224'
    """

    backbone: str
    weights: str
    image_size: int
    file: Path | None = None

    @property
    def name(self) -> str:
        """Base and size, as they can be asked for; bundled weights are named, too."""
        bundled = "+bundled" if self.weights == "bundled" else ""
        return f"{self.backbone}{bundled}@{self.image_size}"


def bases_at_hand() -> list[Candidate]:
    """Every base of the registry with the weights of it that are here, at the sizes of these.

    Returns:
        The bundled ones first, then those in Keras' cache, in the order of the registry.

    Example:
        >>> bases_at_hand()[0].name
        'mobilenet_v3_small+bundled@128'
    """
    records = [get_backbone(name) for name in list_backbones()]
    bundled = [candidate for record in records for candidate in _bundled(record)]
    return bundled + [candidate for record in records for candidate in _imagenet(record)]


def asked_for(names: Iterable[str]) -> list[Candidate]:
    """The bases of these names.

    Args:
        names: Of the registry, for all weights of that base at hand; with ``@224`` at that image
            size; with ``+bundled`` the bundled weights only.

    Returns:
        The candidates, each once.

    Raises:
        InputError: A name is unknown, a size cannot be, or there are no weights here.

    Example:
        >>> [candidate.image_size for candidate in asked_for(["mobilenet_v3_small+bundled@96"])]
        [96]
    """
    if isinstance(names, str):
        raise InputError(f"backbones={names!r} is one word; give a list of names")
    found: dict[Candidate, None] = {}
    for name in names:
        found.update(dict.fromkeys(_named(str(name))))
    if not found:
        raise InputError("backbones names none; leave it out to compare every base at hand")
    return list(found)


def wanted(names: Iterable[str]) -> list[Candidate]:
    """As :func:`asked_for`, but weights need not be here: training fetches them, or says why not.

    Args:
        names: As of :func:`asked_for`.

    Returns:
        The candidates, each once; a base without weights here at the size asked for, or its own.

    Raises:
        InputError: A name is unknown, or a size cannot be.

    Example:
        >>> [candidate.name for candidate in wanted(["resnet50@160"])]
        ['resnet50@160']
    """
    found: dict[Candidate, None] = {}
    for name in names:
        record, bundled, image_size = _parsed(name)
        try:
            here = asked_for([name])
        except InputError:
            if bundled:
                raise
            here = [Candidate(record.name, "imagenet", image_size or record.image_size)]
        found.update(dict.fromkeys(here))
    return list(found)


def _parsed(name: str) -> tuple[Backbone, bool, int | None]:
    """The base, whether only bundled weights will do, and the size asked for."""
    base, at, size = name.partition("@")
    base, plus, weights = base.partition("+")
    if (plus and weights != "bundled") or (at and not size.isdecimal()):
        raise InputError(
            f"backbone {name!r} cannot be read; give NAME, NAME@224 (image size, px) or "
            "NAME+bundled"
        )
    record = get_backbone(base)
    return record, bool(plus), check_image_size(record, int(size)) if at else None


def _named(name: str) -> list[Candidate]:
    record, plus, image_size = _parsed(name)
    base = record.name
    if image_size is not None:
        file = file_for(record, image_size)
        found = [Candidate(base, "bundled", image_size)] if _bundled(record) else []
        found += [Candidate(base, "imagenet", image_size, file)] if file else []
    else:
        found = _bundled(record) + _imagenet(record)
    if plus:
        found = [candidate for candidate in found if candidate.weights == "bundled"]
    if not found:
        if plus:
            raise InputError(
                f"backbone {name} cannot be compared: none of its weights ship with tl_keras; "
                f"those do of {', '.join(bundled_backbones())}"
            )
        size = "" if image_size is None else f", {image_size}"  # some have a file for each size
        fetch = f"import tl_keras; tl_keras.build_backbone({base!r}{size})"
        raise InputError(
            f"backbone {name} cannot be compared: no weights of it lie in {weights_folder()}, and "
            "nothing is downloaded here; leave it out, or fetch them once, with a network: "
            f'python -c "{fetch}"'
        )
    return found


def _bundled(record: Backbone) -> list[Candidate]:
    shipped = bundled_backbones().get(record.name)
    return [Candidate(record.name, "bundled", shipped["image_size"])] if shipped else []


def _imagenet(record: Backbone) -> list[Candidate]:
    files = files_at_hand(record)
    return [Candidate(record.name, "imagenet", size, file) for size, file in files.items()]
