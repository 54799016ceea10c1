"""What a model may cost, and which bases of the registry keep within it."""

from collections.abc import Iterable
from dataclasses import dataclass

from tl_keras.backbones.published import published_top1
from tl_keras.backbones.record import Backbone
from tl_keras.backbones.registry import get_backbone
from tl_keras.backbones.table import backbone_table
from tl_keras.errors import InputError

DEVICES = ("cpu", "gpu", "phone")
"""Where the trained model is to run."""

# Words of a record's intended use that say it was made for phones.
_SMALL = ("edge", "mobile")
_NAMED = 3
# Without a limit of time, bases so many times slower than the advised one are no alternative.
_SLOWER = 4


@dataclass(frozen=True)
class Limits:
    """The most that a base may cost; None: no matter.

    Attributes:
        parameters: Of the base, without a head.
        milliseconds: For one image, a forward pass by Keras on this machine.
        megabytes: Of its weights in float32, 10^6 bytes.
        device: ``"cpu"``, ``"gpu"`` or ``"phone"``; for phones only bases made for them count.

    Raises:
        InputError: A limit is no number above 0, or the device is unknown.

    Example:
        >>> Limits(parameters=1e6).broken_by(get_backbone("mobilenet_v2"))
        '2,257,984 parameters, more than 1,000,000'
    """

    parameters: float | None = None
    milliseconds: float | None = None
    megabytes: float | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("parameters", "milliseconds", "megabytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"a limit of {value} {name} lets no base through; give more")
        if self.device not in DEVICES:
            raise InputError(f"device {self.device!r} is unknown; give one of {', '.join(DEVICES)}")

    def broken_by(
        self, record: Backbone, parameters: int | None = None, milliseconds: float | None = None
    ) -> str | None:
        """Why a base is beyond the limits, as far as that is known; None: it is within.

        Args:
            record: Of the registry.
            parameters: Counted; None: what the registry says, if it does.
            milliseconds: For one image, measured here; None: not measured.
        """
        if self.device == "phone" and not any(word in record.use for word in _SMALL):
            return "not made for phones"
        count = record.parameters if parameters is None else parameters
        if count is not None and self.parameters is not None and count > self.parameters:
            return f"{count:,} parameters, more than {self.parameters:,.0f}"
        if count is not None and self.megabytes is not None and 4e-6 * count > self.megabytes:
            return f"{4e-6 * count:.1f} MB, more than {self.megabytes:g}"
        known = milliseconds is not None and self.milliseconds is not None
        if known and milliseconds > self.milliseconds:
            return f"{milliseconds:.3g} ms for an image here, more than {self.milliseconds:g}"
        return None


@dataclass(frozen=True)
class Absent:
    """A base that the limits allow and whose weights are not here, so that nothing was measured.

    Attributes:
        backbone: Its name in the registry.
        image_size: That its weights were made for, px.
        parameters: Of the base.
        top1: Accuracy on ImageNet as published, %.
        milliseconds: For an image here, if it keeps to the registry's figure as the bases that
            were measured do.
    """

    backbone: str
    image_size: int
    parameters: int
    top1: float
    milliseconds: float


def absent_bases(
    limits: Limits, here: Iterable[str], pace: float | None, advised: float
) -> list[Absent]:
    """Bases that would need a download, those of the highest published accuracy first.

    None that is over four times slower than the advised one.

    Args:
        limits: That they have to keep.
        here: Names of bases whose weights are at hand.
        pace: Time of an image here as a multiple of the registry's latency; None: unknown, and
            no base can be named.
        advised: Milliseconds of the base that is advised.

    Returns:
        Three at most.

    Example:
        >>> [one.backbone for one in absent_bases(Limits(parameters=3e6), ["mobilenet_v2"], 1, 9)]
        ['mobilenet_v3_large', 'mobilenet_v3_large_075', 'mobilenet_v3_small']
    """
    here = set(here)
    found = []
    for row in backbone_table(weights="imagenet") if pace else ():
        top1, latency = published_top1(row["name"]), row["latency_ms"]
        if row["name"] in here or top1 is None or latency is None:
            continue
        milliseconds = pace * latency
        record = get_backbone(row["name"])
        if limits.broken_by(record, milliseconds=milliseconds) is None and (
            limits.milliseconds or milliseconds <= _SLOWER * advised
        ):
            found.append(
                Absent(row["name"], row["image_size"], row["parameters"], top1, milliseconds)
            )
    return sorted(found, key=lambda one: -one.top1)[:_NAMED]
