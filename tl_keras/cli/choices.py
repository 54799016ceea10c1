"""What ``train`` decides for the user, each with its reason."""

from typing import Any

from tl_keras.backbones.bundled import bundled_backbones


def backbone_and_weights(backbone: str | None, weights: str | None) -> tuple[str, str, str]:
    """Backbone, weights and why, from what was asked for.

    Example:
        >>> backbone_and_weights("resnet50", None)[:2]
        ('resnet50', 'imagenet')
    """
    shipped = next(iter(bundled_backbones()))
    if backbone is None:
        if weights in (None, "bundled"):
            why = "shipped with tl_keras and quick on a CPU; a larger base with ImageNet weights "
            return shipped, "bundled", why + "(--backbone mobilenet_v2) is usually more accurate"
        return shipped, weights, "the shipped base, with the weights asked for"
    if weights is None:
        return backbone, "imagenet", "asked for; ImageNet weights are the default for it"
    return backbone, weights, "asked for"


def parts(examples: Any, fraction: float, seed: int) -> tuple[Any, Any, Any]:
    """Training, validation and (where the data brings one) untouched test examples.

    A validation part that the data brings is kept.  A test part is not used for choosing
    anything: without a validation part, one is cut from the training part.
    """
    test = examples.part("test") if "test" in examples.parts else None
    if "val" in examples.parts:
        return examples.part("train"), examples.part("val"), test
    source = examples.part("train") if examples.parts else examples
    train, val = source.split(fraction, seed=seed)
    return train, val, test
