"""A small model of every task that says something without having been trained."""

import functools

import keras
import numpy as np
from tiny_backbone import NAME

from tl_keras.backbones.calibration import calibrate_batch_norm
from tl_keras.builders.classifier import build_classifier, build_tagger
from tl_keras.builders.detector import build_detector
from tl_keras.builders.embedder import build_embedder
from tl_keras.builders.instance_decoding import instances_model
from tl_keras.builders.instance_segmenter import build_instance_segmenter
from tl_keras.builders.localizer import build_localizer
from tl_keras.builders.segmenter import build_segmenter
from tl_keras.builders.suppression import detection_model
from tl_keras.data.samples import generate_sample

SIZE = 64

# Of each task the builder with its number of names (of embed: the vector's length), and of each
# layer that gives logits their standard deviation and their mean.
BUILDERS = {
    "classify": (build_classifier, 5, {"predictions": (2, 0)}),
    "tag": (build_tagger, 4, {"predictions": (2, 0)}),
    "localize": (build_localizer, 3, {"classes": (2, 0), "box_attention": (2, 0)}),
    "detect": (build_detector, 3, {"class_logits": (1.5, -2)}),
    "segment": (build_segmenter, 4, {"scores": (2, 0)}),
    "embed": (build_embedder, 16, {"projection": (2, 0)}),
    "instances": (
        build_instance_segmenter, 3,
        {"classes_scores": (2, 0), "centre_scores": (2, -3), "offsets_scores": (0.5, 0)},
    ),
}  # fmt: skip


def pictures(numbers, size=SIZE):
    images = [generate_sample(number, 1, size).image for number in numbers]
    return np.stack(images).astype("float32")


@functools.cache
def lively(task, backbone=NAME, size=SIZE, weights=None):
    """The final model of a task: its logits are spread as a trained one's are."""
    keras.utils.set_random_seed(1)
    build, names, logits = BUILDERS[task]
    options = {"width": 16} if task == "detect" else {}
    model = build(backbone, names, image_size=size, weights=weights, **options)
    images = pictures(range(8), size)
    if weights is None:
        calibrate_batch_norm(model, images)
    for name, (spread, mean) in logits.items():
        _spread(model, model.get_layer(name), spread, mean, images)
    if task == "detect":
        return detection_model(model, score_threshold=0.05, max_boxes=20, candidates=60)
    if task == "instances":
        return instances_model(model, max_things=20)
    return model


def _spread(model, layer, spread, mean, images):
    """Scale a layer so that what it gives has this deviation and mean over the images."""
    activation = getattr(layer, "activation", None)
    layer.activation = keras.activations.linear
    # A head that several levels share has several outputs.
    outputs = [node.output_tensors[0] for node in layer._inbound_nodes]
    given = keras.Model(model.input, outputs).predict_on_batch(images)
    layer.activation = activation
    given = given if isinstance(given, list) else [given]
    given = np.concatenate([one.reshape(-1, one.shape[-1]) for one in given])
    kernel, bias = layer.get_weights()
    scale = spread / given.std(axis=0)
    layer.set_weights([kernel * scale, (bias - given.mean(axis=0)) * scale + mean])
