"""Losses of integer labels with smoothing, weights, focus, priors; class weights from counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tl_keras.errors import InputError

# Of the effective number of samples; the paper tries 0.9 to 0.9999 and uses this one most.
_BETA = 0.999


class _SparseLoss(keras.losses.Loss):
    """Integer labels to one-hot, then a loss of Keras', then the weight of each label's class.

    Rows of shares (B, K), of images that were mixed (MixUp, CutMix), are taken as they are.
    """

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = False,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing={label_smoothing!r}; give 0 <= label_smoothing < 1")
        if class_weights is not None:
            class_weights = [float(weight) for weight in class_weights]
            if not all(0 <= weight < float("inf") for weight in class_weights):
                raise InputError(f"class weights are 0 or more and finite; got {class_weights}")
        self.label_smoothing = float(label_smoothing)
        self.class_weights = class_weights
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each example, without its last axis; see the class."""
        y_true, y_pred = map(keras.ops.convert_to_tensor, (y_true, y_pred))
        classes = y_pred.shape[-1]
        same_rank = len(y_true.shape) == len(y_pred.shape)
        if same_rank and y_true.shape[-1] != 1:
            one_hot = keras.ops.cast(y_true, y_pred.dtype)
        else:
            labels = keras.ops.squeeze(y_true, -1) if same_rank else y_true
            labels = keras.ops.cast(labels, "int32")
            one_hot = keras.ops.one_hot(labels, classes, dtype=y_pred.dtype)
        losses = self._one_hot_loss(one_hot, y_pred)
        if self.class_weights is None:
            return losses
        if len(self.class_weights) != classes:
            raise InputError(
                f"{len(self.class_weights)} class weights for {classes} classes; give one each"
            )
        weights = keras.ops.convert_to_tensor(self.class_weights, losses.dtype)
        return losses * keras.ops.sum(one_hot * weights, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        own = ("label_smoothing", "class_weights", "from_logits")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable(package="tl_keras")
class SparseCrossentropy(_SparseLoss):
    """Cross-entropy of integer labels with label smoothing and class weights.

    Keras' ``SparseCategoricalCrossentropy`` has neither.

    Args:
        label_smoothing: Share of each target spread evenly over all classes (Szegedy et al. 2016,
            arXiv:1512.00567), in [0, 1).
        class_weights: Weight of each class's examples, K numbers (see :func:`class_weights`);
            None: all 1.  The mean is over examples, not over weights, as in Keras' ``fit``.
        from_logits: Whether predictions are logits; else probabilities.

    Call: labels, integers (...) or (..., 1), or shares of classes (..., K), and predictions
    (..., K) -> a scalar.

    Raises:
        InputError: The smoothing or a weight is out of range, or there are not K weights.

    Example:
        >>> loss = SparseCrossentropy(label_smoothing=0.1, class_weights=[1.0, 3.0])
        >>> round(float(loss([1, 0], [[0.5, 0.5], [0.5, 0.5]])), 4)  # log 2 * (3 + 1) / 2
        1.3863
    """

    def __init__(self, *, name: str = "sparse_crossentropy", **options: Any):
        super().__init__(name=name, **options)

    def _one_hot_loss(self, one_hot: Any, y_pred: Any) -> Any:
        return keras.losses.categorical_crossentropy(
            one_hot, y_pred, from_logits=self.from_logits, label_smoothing=self.label_smoothing
        )


@keras.saving.register_keras_serializable(package="tl_keras")
class SparseFocalCrossentropy(_SparseLoss):
    """Focal loss of integer labels: easy examples count less (Lin et al. 2017, arXiv:1708.02002).

    Keras' ``CategoricalFocalCrossentropy`` on one-hot labels, with no ``alpha``: over many classes
    it would be a constant factor; weigh classes with ``class_weights`` in its place.

    Args:
        gamma: Exponent of ``(1 - p)``; 0 is cross-entropy, the paper takes 2.
        label_smoothing: As in :class:`SparseCrossentropy`.
        class_weights: As in :class:`SparseCrossentropy`.
        from_logits: Whether predictions are logits; else probabilities.

    Call: labels, integers (...) or (..., 1), or shares of classes (..., K), and predictions
    (..., K) -> a scalar.

    Raises:
        InputError: A value is out of range, or there are not K weights.

    Example:
        >>> loss = SparseFocalCrossentropy(gamma=2)
        >>> round(float(loss([1], [[0.1, 0.9]])), 6)  # (1 - 0.9)**2 * -log 0.9
        0.001054
    """

    def __init__(
        self, gamma: float = 2.0, *, name: str = "sparse_focal_crossentropy", **options: Any
    ):
        super().__init__(name=name, **options)
        if not gamma >= 0:
            raise InputError(f"gamma={gamma!r} of the focal loss is 0 or more")
        self.gamma = float(gamma)

    def _one_hot_loss(self, one_hot: Any, y_pred: Any) -> Any:
        return keras.losses.categorical_focal_crossentropy(
            one_hot, y_pred, alpha=1.0, gamma=self.gamma, from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="tl_keras")
class SparseLogitAdjustedCrossentropy(_SparseLoss):
    """Cross-entropy of logits to which the log of each class's share was added while training.

    Menon et al. 2021 (arXiv:2007.07314), equation 10.  The model learns what speaks for a class
    beside its being frequent, and its own outputs, to which nothing is added, aim at the balanced
    error: they are probabilities for classes of equal share.

    Args:
        priors: Share of each class, K numbers above 0; scaled to sum to 1 (counts will do).
        tau: How much of the log share is added; the paper takes 1.  0 is cross-entropy.
        label_smoothing: As in :class:`SparseCrossentropy`.
        class_weights: As in :class:`SparseCrossentropy`; both at once correct twice.
        from_logits: Whether predictions are logits; else probabilities.

    Call: labels, integers (...) or (..., 1), or shares of classes (..., K), and predictions
    (..., K) -> a scalar.

    Raises:
        InputError: A value is out of range, or there are not K priors.

    Example:
        >>> loss = SparseLogitAdjustedCrossentropy([3, 1])
        >>> round(float(loss([1], [[0.5, 0.5]])), 4)  # -log 0.25
        1.3863
        >>> model.compile("adam", loss)  # doctest: +SKIP
    """

    def __init__(
        self, priors: Sequence[float], tau: float = 1.0, *,
        name: str = "sparse_logit_adjusted_crossentropy", **options: Any,
    ):  # fmt: skip
        super().__init__(name=name, **options)
        values = np.asarray(priors, "float64")
        if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values > 0)).all():
            raise InputError(
                f"priors={priors!r} are no shares of classes; give a number above 0 for each class "
                "(a class without training images: 1, as if it had one)"
            )
        if isinstance(tau, bool) or not 0 <= tau < float("inf"):
            raise InputError(f"tau={tau!r} of the logit adjustment is 0 or more and finite")
        self.priors, self.tau = values.tolist(), float(tau)

    def _one_hot_loss(self, one_hot: Any, y_pred: Any) -> Any:
        if y_pred.shape[-1] != len(self.priors):
            raise InputError(
                f"{len(self.priors)} priors for {y_pred.shape[-1]} classes; give one each"
            )
        logits = y_pred
        if not self.from_logits:
            # The log of a softmax is the logits but for a constant, which cancels out.
            logits = keras.ops.log(keras.ops.maximum(y_pred, keras.config.epsilon()))
        shares = np.log(np.divide(self.priors, sum(self.priors)))
        added = keras.ops.convert_to_tensor(self.tau * shares, logits.dtype)
        return keras.losses.categorical_crossentropy(
            one_hot, logits + added, from_logits=True, label_smoothing=self.label_smoothing
        )

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        return {**super().get_config(), "priors": self.priors, "tau": self.tau}


def class_weights(
    how: str | Mapping[str | int, float],
    counts: Sequence[int] | np.ndarray,
    class_names: Sequence[str] = (),
) -> list[float]:
    """Weights by which rare classes count as much as frequent ones.

    Args:
        how: ``"balanced"``: N / (K · n), so that the mean over the training examples is 1;
            ``"effective"``: (1 - β) / (1 - β^n) with β = 0.999, scaled to sum to K (Cui et al.
            2019, arXiv:1901.05555); or a mapping from class name or number to weight, 1 where not
            named.
        counts: Training examples of each class, K integers.  A class without any has weight 1 and
            takes no part in the scaling.
        class_names: Names of the K classes, for a mapping by name.

    Returns:
        One weight per class.

    Raises:
        InputError: ``how`` is unknown, or names a class that there is not.

    Example:
        >>> class_weights("balanced", [30, 10])
        [0.6666666666666666, 2.0]
        >>> class_weights({"bees": 3}, [30, 10], ["ants", "bees"])
        [1.0, 3.0]
    """
    counts = np.asarray(counts, "float64")
    present = counts > 0
    weights = np.ones(len(counts))
    if isinstance(how, Mapping):
        for key, weight in how.items():
            weights[_position(key, class_names, len(counts))] = _weight(key, weight)
    elif how == "balanced":
        weights[present] = counts.sum() / (present.sum() * counts[present])
    elif how == "effective":
        raw = (1 - _BETA) / (1 - _BETA ** counts[present])
        weights[present] = raw * present.sum() / raw.sum()
    else:
        raise InputError(
            f"class_weights={how!r} is unknown; give balanced, effective, or a mapping from class "
            "to weight"
        )
    return weights.tolist()


def _position(key: str | int, class_names: Sequence[str], classes: int) -> int:
    if isinstance(key, str) and key in class_names:
        return list(class_names).index(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < classes:
        return int(key)
    known = ", ".join(class_names) or f"0 to {classes - 1}"
    raise InputError(f"class_weights names {key!r}, which is no class; there are {known}")


def _weight(key: str | int, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < 1e9:
        raise InputError(f"the weight of class {key!r} is {weight!r}; give a number of 0 or more")
    return float(weight)
