"""A classifier that says its probabilities at another temperature, as a plain model."""

import keras

# Where a log is taken: float32 has no smaller normal numbers.
_LEAST = 1e-30


def at_temperature(model: keras.Model, temperature: float) -> keras.Model:
    """Build the model whose logits are those of another, divided by one number.

    Args:
        model: A classifier, of probabilities or logits, as its layer ``"predictions"`` says.
        temperature: Above 0; 1 gives what the model gives.

    Returns:
        A functional ``keras.Model`` with the model as a layer; its last layer is called
        ``"predictions"`` too, with the same activation.

    Example:
        >>> at_temperature(tl.load("saved_models/photos").model, 1.4)  # doctest: +SKIP
        <Functional name=classifier>
    """
    activation = getattr(model.get_layer("predictions").activation, "__name__", "")
    image = keras.Input(model.input_shape[1:], name="image")
    said = model(image)
    if activation == "softmax":
        said = keras.ops.log(keras.ops.maximum(said, _LEAST))
    last = keras.layers.Activation(activation, dtype="float32", name="predictions")
    return keras.Model(image, last(said / temperature), name=model.name)
