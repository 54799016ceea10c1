"""Evaluation by the averaged weights."""

from contextlib import ExitStack

import keras

from tl_keras.optimizers.averaging import averaged_weights


class AveragedEvaluation(keras.callbacks.Callback):
    """While the model is evaluated, it has the averages that the optimizer keeps (``use_ema``).

    Training goes on with the weights as they were, bit for bit; ``keras.callbacks.SwapEMAWeights``
    swaps by adding and subtracting, which rounds them.

    Example:
        >>> model.compile(keras.optimizers.Adam(use_ema=True), loss)  # doctest: +SKIP
        >>> model.fit(train, validation_data=val, callbacks=[AveragedEvaluation()])
        ... # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown = ExitStack()

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Show the averages."""
        self._shown.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs: dict | None = None) -> None:
        """Put the weights back."""
        self._shown.close()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an evaluation that was interrupted."""
        self._shown.pop_all()
