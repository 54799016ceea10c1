"""Accuracy that others published for the ImageNet weights of bases; nothing of it measured here.

From https://keras.io/api/applications/; of MobileNetV3 from the table in its source in Keras.
"""

_TOP1 = {
    "vgg16": 71.3, "vgg19": 71.3,
    "resnet50": 74.9, "resnet101": 76.4, "resnet152": 76.6,
    "resnet50_v2": 76.0, "resnet101_v2": 77.2, "resnet152_v2": 78.0,
    "inception_v3": 77.9, "inception_resnet_v2": 80.3, "xception": 79.0,
    "mobilenet": 70.4, "mobilenet_v2": 71.3,
    "mobilenet_v3_small_075": 65.4, "mobilenet_v3_small": 68.1,
    "mobilenet_v3_large_075": 73.3, "mobilenet_v3_large": 75.6,
    "densenet121": 75.0, "densenet169": 76.2, "densenet201": 77.3,
    "nasnet_mobile": 74.4, "nasnet_large": 82.5,
    "efficientnet_b0": 77.1, "efficientnet_b1": 79.1, "efficientnet_b2": 80.1,
    "efficientnet_b3": 81.6, "efficientnet_b4": 82.9, "efficientnet_b5": 83.6,
    "efficientnet_b6": 84.0, "efficientnet_b7": 84.3,
    "efficientnet_v2_b0": 78.7, "efficientnet_v2_b1": 79.8, "efficientnet_v2_b2": 80.5,
    "efficientnet_v2_b3": 82.0, "efficientnet_v2_s": 83.9, "efficientnet_v2_m": 85.3,
    "efficientnet_v2_l": 85.7,
    "convnext_tiny": 81.3, "convnext_small": 82.3, "convnext_base": 85.3,
    "convnext_large": 86.3, "convnext_xlarge": 86.7,
}  # fmt: skip


def published_top1(name: str) -> float | None:
    """Accuracy on ImageNet's validation set as published, in %.

    Args:
        name: Of the registry.

    Returns:
        Per cent; None where the source gives none.

    Example:
        >>> published_top1("efficientnet_v2_b0"), published_top1("mobilenet_025")
        (78.7, None)
    """
    return _TOP1.get(name)
