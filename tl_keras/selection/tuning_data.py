"""The parts of the data that a search needs: to train, to choose by, and to compare in the end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tl_keras.data.splitting.fingerprint import split_fingerprint
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


@dataclass(frozen=True)
class TuningData:
    """The parts of the data, each with its use.

    Attributes:
        train: Is trained on.
        val: Chooses epochs, and among trials.
        final: Chooses nothing: what is found is compared with the defaults on it.
        brought: Whether ``final`` is a test part that the data bring.
    """

    train: "Examples"
    val: "Examples"
    final: "Examples"
    brought: bool

    @property
    def fingerprint(self) -> str:
        """Of the contents and labels of all parts."""
        parts = (self.train, self.val, self.final)
        return "-".join([split_fingerprint(*parts)[:16], *(one.fingerprint()[:8] for one in parts)])


def tuning_data(examples: "Examples", fraction: float, seed: int) -> TuningData:
    """Part the data.

    A test part that the data bring is the one that chooses nothing; without one it is what
    ``tl-keras train`` would validate on, and a part of the rest chooses.

    Args:
        examples: With labels.
        fraction: Of the images each part that has to be cut.
        seed: Of the cuts.

    Raises:
        InputError: There are too few images, or the fraction is none.
    """
    if not 0 < fraction < 1:
        raise InputError(f"val_fraction lies between 0 and 1; got {fraction}")
    brought = "test" in examples.parts
    source = examples.part("train") if examples.parts else examples
    if brought:
        final = examples.part("test")
        if "val" in examples.parts:
            return TuningData(source, examples.part("val"), final, brought)
    elif "val" in examples.parts:
        final = examples.part("val")
    else:
        source, final = source.split(fraction, seed=seed)
    try:
        train, val = source.split(fraction, seed=seed)
    except InputError as problem:
        if examples.parts:
            raise
        raise InputError(
            f"{problem} (a part was set aside before, to compare on in the end: a search needs "
            "three distinct images of each class)"
        ) from None
    return TuningData(train, val, final, brought)
