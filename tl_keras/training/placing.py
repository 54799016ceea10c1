"""Train a model where a placement says, and get the plain model back."""

import contextlib
from collections.abc import Iterator

import keras

from tl_keras.training.model_copy import copy_model
from tl_keras.training.placement import Placement
from tl_keras.training.precision import computing_in


@contextlib.contextmanager
def placed(model: keras.Model, placement: Placement) -> Iterator[keras.Model]:
    """Inside, a model that trains on the placement's devices; afterwards, its weights in yours.

    On one device that is the model itself, computing in the placement's precision.  Several
    devices need variables made for them, so there it is a copy; BatchNorm layers of the copy
    normalise by the whole batch and not by one device's part of it.  Whatever ends the block, an
    error or Ctrl-C too, the weights go back into ``model``: plain float32 variables of plain
    layers, and that is what is saved.

    Args:
        model: Any model that Keras can copy, built, not compiled inside of a strategy.
        placement: Of ``choose_placement``.

    Yields:
        The model to compile and fit, within the strategy's scope.

    Raises:
        InputError: Keras cannot copy this model.

    Example:
        >>> with placed(model, choose_placement()) as working:  # doctest: +SKIP
        ...     working.compile("adamw", "sparse_categorical_crossentropy")
        ...     working.fit(replica_batches(train, placement, batch_size=64, image_size=224))
    """
    if placement.strategy is None:
        with computing_in(model, placement.precision):
            yield model
        return
    with placement.strategy.scope():
        working = copy_model(model)
        if placement.workers > 1 and keras.backend.backend() == "tensorflow":
            from tl_keras.training.multi_worker import take_from_chief

            take_from_chief(working.variables, placement.strategy)
        if keras.backend.backend() == "tensorflow":
            # JAX sees one batch, whatever devices it lies on.
            for layer in working._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = True
        else:
            _evaluate_anew_after_unfreezing(working)
        try:
            with computing_in(working, placement.precision):
                yield working
        finally:
            collect(working, model)


def collect(working: keras.Model, model: keras.Model) -> None:
    """Copy the weights and flags of a placed model into the model it was made from.

    Args:
        working: What :func:`placed` gave.
        model: What it was given; the same object on one device, and nothing happens.

    Example:
        >>> collect(working, model)  # at the end of an epoch  # doctest: +SKIP
    """
    if working is model:
        return
    for plain, trained in zip(model.variables, working.variables, strict=True):
        plain.assign(keras.ops.convert_to_numpy(trained))
    for plain, trained in zip(model._flatten_layers(), working._flatten_layers(), strict=True):
        plain.trainable = trained.trainable


def _evaluate_anew_after_unfreezing(model: keras.Model) -> None:
    # Under a distribution Keras' compiled evaluation is bound to what was trainable when it was
    # made, and only training is compiled anew when layers are unfrozen.
    make = model.make_train_function

    def make_train_function(force: bool = False) -> None:
        if force:
            model.test_function = None
        make(force)

    model.make_train_function = make_train_function
