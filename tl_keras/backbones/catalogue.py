"""The records of every base in ``keras.applications`` (Keras 3.15.1).

Parameter counts and smallest sizes were measured by building each base; preprocessing and block
names come from the sources of ``keras.applications``, licences from the Keras documentation
(https://keras.io/2.2.4/applications/) and, for families added later, from the repositories that
published the weights.  Intended uses: the papers, and the tables at
https://keras.io/api/applications/.
"""

from collections.abc import Iterator
from typing import Any

from tl_keras.backbones.record import Backbone

_RESNET_BLOCKS = (r"^conv\d_block\d+", r"^conv1(?=_)")
_NO_TOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
_EFFICIENT_BLOCKS = (r"^block\d+[a-z](?=_)", r"^stem(?=_)", r"^top(?=_)")


def catalogue() -> Iterator[Backbone]:
    """Yield the record of every built-in backbone, family by family.

    Example:
        >>> next(catalogue()).name
        'vgg16'
    """
    yield from _vgg()
    yield from _resnet()
    yield from _inception()
    yield from _mobilenet()
    yield from _densenet()
    yield from _nasnet()
    yield from _efficientnet()
    yield from _convnext()


def _record(name: str, function: str, parameters: int, **fields: Any) -> Backbone:
    arguments = {"include_top": False, **fields.pop("arguments", {})}
    fields = {"weights": ("imagenet",), **fields}
    return Backbone(
        name=name,
        builder=f"keras.applications:{function}",
        arguments=arguments,
        parameters=parameters,
        **fields,
    )


def _vgg() -> Iterator[Backbone]:
    for name, function, parameters in (
        ("vgg16", "VGG16", 14_714_688),
        ("vgg19", "VGG19", 20_024_384),
    ):
        yield _record(
            name, function, parameters,
            family="VGG",
            weights_file=f"{name}_{_NO_TOP}",
            preprocessing="caffe",
            block_patterns=(r"^block\d+(?=_)",),
            use="plain features, style and texture; heavy for its accuracy",
            licence="CC-BY-4.0",
        )  # fmt: skip


def _resnet() -> Iterator[Backbone]:
    for depth, parameters in ((50, 23_587_712), (101, 42_658_176), (152, 58_370_944)):
        yield _record(
            f"resnet{depth}", f"ResNet{depth}", parameters,
            family="ResNet",
            weights_file=f"resnet{depth}_{_NO_TOP}",
            preprocessing="caffe",
            block_patterns=_RESNET_BLOCKS,
            use="general purpose, well studied",
            licence="MIT",
        )  # fmt: skip
    for depth, parameters in ((50, 23_564_800), (101, 42_626_560), (152, 58_331_648)):
        yield _record(
            f"resnet{depth}_v2", f"ResNet{depth}V2", parameters,
            family="ResNetV2",
            weights_file=f"resnet{depth}v2_{_NO_TOP}",
            preprocessing="tf",
            block_patterns=_RESNET_BLOCKS,
            use="general purpose, trains more smoothly than ResNet",
            licence="BSD-3-Clause",
        )  # fmt: skip


def _inception() -> Iterator[Backbone]:
    shared = {"preprocessing": "tf", "image_size": 299}
    yield _record(
        "inception_v3", "InceptionV3", 21_802_784,
        family="Inception",
        weights_file=f"inception_v3_{_NO_TOP}",
        minimum_size=75,
        block_patterns=(r"^mixed\d+",),
        use="fine-grained classes, several scales at once",
        licence="Apache-2.0",
        **shared,
    )  # fmt: skip
    yield _record(
        "inception_resnet_v2", "InceptionResNetV2", 54_336_736,
        family="InceptionResNet",
        weights_file=f"inception_resnet_v2_{_NO_TOP}",
        minimum_size=75,
        block_patterns=(r"^mixed_\d\w", r"^block\d+_\d+", r"^conv_7b"),
        use="fine-grained classes where accuracy counts more than time",
        licence="Apache-2.0",
        **shared,
    )  # fmt: skip
    yield _record(
        "xception", "Xception", 20_861_480,
        family="Xception",
        weights_file=f"xception_{_NO_TOP}",
        minimum_size=71,
        block_patterns=(r"^block\d+(?=_)",),
        use="fine-grained classes, accurate for its size",
        licence="MIT",
        **shared,
    )  # fmt: skip


def _mobilenet() -> Iterator[Backbone]:
    shared = {"preprocessing": "tf", "licence": "Apache-2.0"}
    for alpha, alpha_text, parameters in (
        (0.25, "2_5", 218_544), (0.5, "5_0", 829_536),
        (0.75, "7_5", 1_832_976), (1.0, "1_0", 3_228_864),
    ):  # fmt: skip
        yield _record(
            "mobilenet" + _suffix(alpha), "MobileNet", parameters,
            family="MobileNet",
            weights_file=f"mobilenet_{alpha_text}_{{size}}_tf_no_top.h5",
            arguments={"alpha": alpha},
            block_patterns=(r"^conv_(?:pad|dw|pw)_(?P<block>\d+)", r"^conv1"),
            use="edge devices, the simplest graph",
            **shared,
        )  # fmt: skip
    for alpha, parameters in (
        (0.35, 410_208), (0.5, 706_224), (0.75, 1_382_064),
        (1.0, 2_257_984), (1.3, 3_766_048), (1.4, 4_363_712),
    ):  # fmt: skip
        yield _record(
            "mobilenet_v2" + _suffix(alpha), "MobileNetV2", parameters,
            family="MobileNetV2",
            weights_file="mobilenet_v2_"
            + _NO_TOP.replace("notop", f"{alpha}_{{size}}_no_top"),
            arguments={"alpha": alpha},
            block_patterns=(r"^block_\d+", r"^expanded_conv", r"Conv_?1"),
            use="edge devices and first experiments on a CPU",
            **shared,
        )  # fmt: skip
    for size, alpha, parameters in (
        ("Small", 0.75, 583_160), ("Small", 1.0, 939_120),
        ("Large", 0.75, 1_808_736), ("Large", 1.0, 2_996_352),
    ):  # fmt: skip
        yield _record(
            f"mobilenet_v3_{size.lower()}" + _suffix(alpha), f"MobileNetV3{size}", parameters,
            family="MobileNetV3",
            weights_file=f"weights_mobilenet_v3_{size.lower()}_224_{alpha}_float_no_top_v2.h5",
            arguments={"alpha": alpha, "include_preprocessing": False},
            block_patterns=(r"^expanded_conv(?:_\d+)?(?=_)", r"^conv_1", r"^conv(?=_bn|$)"),
            weights=("imagenet", "bundled") if (size, alpha) == ("Small", 1.0) else ("imagenet",),
            use="edge devices, the least latency for its accuracy",
            **shared,
        )  # fmt: skip


def _densenet() -> Iterator[Backbone]:
    for depth, parameters in ((121, 7_037_504), (169, 12_642_880), (201, 18_321_984)):
        yield _record(
            f"densenet{depth}", f"DenseNet{depth}", parameters,
            family="DenseNet",
            weights_file=f"densenet{depth}_{_NO_TOP}",
            preprocessing="torch",
            block_patterns=(*_RESNET_BLOCKS, r"^pool\d(?=_)"),
            use="few parameters, reuses features; common on medical images",
            licence="BSD-3-Clause",
        )  # fmt: skip


def _nasnet() -> Iterator[Backbone]:
    cell = r"^(?:normal|reduction|adjust|separable)\w*?_(?P<cell>stem_\d+|reduce_\d+|\d+)$"
    for name, function, parameters, size, use in (
        ("nasnet_mobile", "NASNetMobile", 4_269_716, 224, "mobile size, found by search"),
        ("nasnet_large", "NASNetLarge", 84_916_818, 331, "accuracy first; slow to build and run"),
    ):
        yield _record(
            name, function, parameters,
            family="NASNet",
            weights_file=f"{name}_no_top.h5",
            preprocessing="tf",
            image_size=size,
            block_patterns=(cell,),
            use=use,
            licence="Apache-2.0",
        )  # fmt: skip


def _efficientnet() -> Iterator[Backbone]:
    for index, (size, parameters) in enumerate(
        (
            (224, 4_049_564), (240, 6_575_232), (260, 7_768_562), (300, 10_783_528),
            (380, 17_673_816), (456, 28_513_520), (528, 40_960_136), (600, 64_097_680),
        )
    ):  # fmt: skip
        yield _record(
            f"efficientnet_b{index}", f"EfficientNetB{index}", parameters,
            family="EfficientNet",
            weights_file=f"efficientnetb{index}_notop.h5",
            # Keras puts Rescaling and Normalization before the stem and offers no switch.
            first_layer="stem_conv_pad",
            preprocessing="torch",
            image_size=size,
            block_patterns=_EFFICIENT_BLOCKS,
            use="most accuracy per operation",
            licence="Apache-2.0",
        )  # fmt: skip
    for size_name, size, parameters in (
        ("B0", 224, 5_919_312), ("B1", 240, 6_931_124), ("B2", 260, 8_769_374),
        ("B3", 300, 12_930_622), ("S", 384, 20_331_360), ("M", 480, 53_150_388),
        ("L", 480, 117_746_848),
    ):  # fmt: skip
        yield _record(
            f"efficientnet_v2_{size_name.lower()}", f"EfficientNetV2{size_name}", parameters,
            family="EfficientNetV2",
            weights_file=f"efficientnetv2-{size_name.lower()}_notop.h5",
            arguments={"include_preprocessing": False},
            preprocessing="torch" if size_name.startswith("B") else "tf128",
            image_size=size,
            block_patterns=_EFFICIENT_BLOCKS,
            use="most accuracy per operation, trains faster than EfficientNet",
            licence="Apache-2.0",
        )  # fmt: skip


def _convnext() -> Iterator[Backbone]:
    for size_name, parameters in (
        ("Tiny", 27_820_128), ("Small", 49_454_688), ("Base", 87_566_464),
        ("Large", 196_230_336), ("XLarge", 348_147_968),
    ):  # fmt: skip
        yield _record(
            f"convnext_{size_name.lower()}", f"ConvNeXt{size_name}", parameters,
            family="ConvNeXt",
            weights_file=f"convnext_{size_name.lower()}_notop.h5",
            arguments={"include_preprocessing": False},
            preprocessing="torch",
            block_patterns=(
                r"stage_\d+_block_\d+",
                r"downsampling_(?:layernorm|conv)_(?P<downsampling>\d+)",
                r"stem(?=_)",
            ),
            use="accuracy first, on an accelerator; no BatchNorm",
            licence="MIT",
        )  # fmt: skip


def _suffix(alpha: float) -> str:
    return "" if alpha == 1.0 else f"_{round(alpha * 100):03d}"
