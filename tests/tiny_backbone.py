"""A backbone of five strided convolutions, for tests that care for the head: quick to build."""

import keras

import tl_keras as tl

NAME = "tiny_dense"


def base(input_shape):
    image = keras.Input(input_shape)
    x = image
    for i in range(1, 6):
        x = keras.layers.Conv2D(4 * i, 3, 2, padding="same", use_bias=False, name=f"conv{i}")(x)
        x = keras.layers.BatchNormalization(name=f"bn{i}")(x)
        x = keras.layers.Activation("tanh", name=f"tanh{i}")(x)
    return keras.Model(image, x)


if NAME not in tl.list_backbones():
    tl.register_backbone(
        name=NAME, builder=base, image_size=64, minimum_size=32, preprocessing="tf"
    )
