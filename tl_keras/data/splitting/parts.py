"""Training, validation and test examples, whatever split the data bring."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def train_val_test(
    examples: "Examples", fraction: float, seed: int, by: str = "auto", singles: bool = False
) -> "tuple[Examples, Examples, Examples | None]":
    """Training, validation and (where the data bring one) untouched test examples.

    A validation part that the data bring is kept.  A test part is not used for choosing anything:
    without a validation part, one is cut from the training part.

    Args:
        examples: The table.
        fraction: Share of the images to validate on, where the data bring no such part.
        seed: Of that split.
        by: As of :meth:`tl_keras.data.Examples.split`.
        singles: Likewise.

    Returns:
        Train, val and test, which may be None.

    Raises:
        InputError: As of :meth:`tl_keras.data.Examples.split`.

    Example:
        >>> train, val, test = train_val_test(examples, 0.2, seed=0)  # doctest: +SKIP
    """
    test = examples.part("test") if "test" in examples.parts else None
    if "val" in examples.parts:
        return examples.part("train"), examples.part("val"), test
    source = examples.part("train") if examples.parts else examples
    train, val = source.split(fraction, seed=seed, by=by, singles=singles)
    return train, val, test
