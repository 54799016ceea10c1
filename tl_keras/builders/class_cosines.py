"""Training an embedder by classes: cosines to a learned vector per class."""

from typing import Any

import keras

from tl_keras.builders.arguments import whole
from tl_keras.builders.embedder import vectors_of
from tl_keras.builders.unit_vectors import unit_vectors


@keras.saving.register_keras_serializable(package="tl_keras")
class ClassCosines(keras.layers.Layer):
    """Cosine of each vector to each class's learned direction, its proxy.

    The weights that ArcFace, CosFace and proxy-anchor learn beside the embedder; losses of Keras 3
    hold none.  A Dense layer without bias whose columns and inputs have length 1.

    Args:
        classes: Number of classes K.

    Call: float (B, D) -> float32 (B, K), -1..1 but for rounding.

    Example:
        >>> layer = ClassCosines(3)
        >>> tuple(layer(keras.ops.ones((2, 4))).shape)
        (2, 3)
    """

    def __init__(self, classes: int, **options: Any):
        super().__init__(**{"dtype": "float32", **options})
        self.classes = whole(classes, 2, "classes", "give the number of classes, 2 or more")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the proxies, (D, K)."""
        # Only the direction counts; independent normal numbers favour none.
        self.proxies = self.add_weight(
            (input_shape[-1], self.classes), initializer="he_normal", name="proxies"
        )

    def call(self, vectors: Any) -> Any:
        """Cosines, (B, K); see the class."""
        proxies = unit_vectors(keras.ops.transpose(self.proxies))
        return keras.ops.matmul(unit_vectors(vectors), keras.ops.transpose(proxies))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(B, K)."""
        return (*input_shape[:-1], self.classes)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        return {**super().get_config(), "classes": self.classes}


def margin_head(embedder: keras.Model, num_classes: int) -> keras.Model:
    """Put class cosines on an embedder, for a loss that learns a vector per class.

    To train it trains the embedder, whose layers it shares: go on with the embedder itself, or
    with ``embedder_of(trained)``, which hold built-in layers only.  The class vectors are wanted
    for training alone.  Proxy-anchor's authors let them learn at 100 times the rate of the rest.

    Args:
        embedder: Of ``build_embedder`` or ``embedder_of``.
        num_classes: Number of classes (products, people) K in the training data, at least 2.

    Returns:
        A functional ``keras.Model`` named ``"margin_head"``: images -> cosines, float32 (batch, K).
        Its layers are the embedder's, and ``"class_cosines"`` at the end.

    Raises:
        InputError: The model is no embedder, or the number of classes cannot be used.

    Example:
        >>> from tl_keras.builders.embedder import build_embedder
        >>> from tl_keras.tasks.embedding_objective import ArcFaceLoss
        >>> embedder = build_embedder("mobilenet_025", 16, image_size=32, weights=None)
        >>> model = margin_head(embedder, 3)
        >>> model.compile("adam", ArcFaceLoss())
        >>> model.fit(images, labels)  # doctest: +SKIP
        >>> embedder.save("embedder.keras")  # doctest: +SKIP
    """
    classes = whole(num_classes, 2, "num_classes", "give the number of classes, 2 or more")
    vectors_of(embedder)
    cosines = ClassCosines(classes, name="class_cosines")(embedder.output)
    return keras.Model(embedder.input, cosines, name="margin_head")
