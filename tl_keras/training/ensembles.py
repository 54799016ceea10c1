"""Several trained models as one: averaged probabilities over shared preprocessing."""

from collections.abc import Sequence

import keras

from tl_keras.errors import InputError

# Where a log is taken: far below what a float32 probability of a trained model tells.
_LEAST = 1e-7


def ensemble_of(models: Sequence[keras.Model]) -> keras.Model:
    """Build one plain model whose probabilities are the mean of those of several.

    Each model stays a layer of its own, ``member_1``, ``member_2`` …; the preprocessing in front
    of them is there once.  The last layer, ``"predictions"``, is a softmax of the log of the mean
    (for tags a sigmoid of its log odds), which gives the mean back: what reads the activation of a
    classifier finds it.  Nothing of this package is needed to load it.

    Args:
        models: Of ``build_classifier`` or ``build_tagger``, two or more, alike but for their
            weights, without an augmentation of their own.

    Returns:
        A functional ``keras.Model``, images (batch, size, size, 3) -> float32 (batch, outputs).

    Raises:
        InputError: There are fewer than two, or they are not alike, or they return logits.

    Example:
        >>> ensemble_of([tl.load(f"runs/fold-{i}").model for i in (1, 2, 3)])  # doctest: +SKIP
        <Functional name=ensemble>
    """
    if len(models) < 2:
        raise InputError(f"an ensemble has two models or more; got {len(models)}")
    first = models[0]
    activation = getattr(first.get_layer("predictions").activation, "__name__", "")
    if activation not in ("softmax", "sigmoid"):
        raise InputError(
            "the models return logits, of which a mean is no mean of probabilities; build them "
            "with logits=False"
        )
    for model in models[1:]:
        alike = (model.input_shape, model.output_shape) == (first.input_shape, first.output_shape)
        same = getattr(model.get_layer("predictions").activation, "__name__", "") == activation
        if not (alike and same):
            raise InputError(
                f"models of {first.input_shape} to {first.output_shape} and of "
                f"{model.input_shape} to {model.output_shape} make no ensemble; give models alike "
                "but for their weights"
            )
    image = keras.Input(first.input_shape[1:], name="image")
    ready = image
    if _prepared(first) is not None:
        ready = keras.Model(first.input, _prepared(first), name="preprocessing")(image)
    outputs = []
    for number, model in enumerate(models, 1):
        start = model.input if _prepared(model) is None else _prepared(model)
        outputs.append(keras.Model(start, model.output, name=f"member_{number}")(ready))
    mean = keras.layers.Average(name="mean", dtype="float32")(outputs)
    likely = keras.ops.log(keras.ops.maximum(mean, _LEAST))
    if activation == "sigmoid":
        likely = likely - keras.ops.log(keras.ops.maximum(1.0 - mean, _LEAST))
    predictions = keras.layers.Activation(activation, dtype="float32", name="predictions")(likely)
    return keras.Model(image, predictions, name="ensemble")


def _prepared(model: keras.Model) -> keras.KerasTensor | None:
    """What the preprocessing gives to the base; None where the base does its own."""
    names = [layer.name for layer in model.layers]
    return model.get_layer("preprocessing").output if "preprocessing" in names else None
