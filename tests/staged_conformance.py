"""One small run under StagedUnfreezing and what was seen of it, on any backend and precision.

Imported by ``test_staged_unfreezing``; as a script it prints the facts of many cases as JSON, for
what must be set before Keras or TensorFlow begin: ``python staged_conformance.py DEVICES CASES``,
the cases as a JSON list of [policy, mode, options].
"""

import contextlib
import json
import sys
import traceback

import keras
import numpy as np

import tl_keras as tl
from tl_keras.backbones.registry import find_backbone

SCHEDULE = {0: 0, 6: 1, 8: "all"}
EPOCHS = 10
RATE = 1e-2


def tiny_base(input_shape):
    image = keras.Input(input_shape)
    x = image
    for i in (1, 2, 3):
        x = keras.layers.Conv2D(
            4 * i, 3, 2, padding="same", use_bias=False, activation="tanh", name=f"conv{i}"
        )(x)
        x = keras.layers.BatchNormalization(name=f"bn{i}")(x)
    return keras.Model(image, x)


if "tiny_staged" not in tl.list_backbones():
    tl.register_backbone(
        name="tiny_staged", builder=tiny_base, image_size=32, minimum_size=8, preprocessing="tf"
    )


def data(count=8):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (count, 16, 16, 3)).astype("float32")
    return images, np.arange(count) % 3


def tiny_model(**options):
    keras.utils.set_random_seed(0)
    return tl.build_classifier("tiny_staged", 3, image_size=16, weights=None, dropout=0, **options)


def short(variable):
    """``conv1/kernel``, whatever stands before it."""
    return "/".join(variable.path.split("/")[-2:])


def inner(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)


class Watch(keras.callbacks.Callback):
    """Notes what moved in each epoch; stands after the callback that unfreezes."""

    def __init__(self, count_work=False):
        super().__init__()
        self.moved, self.iterations, self.first_steps, self.work = [], [], {}, []
        self.slots_kept = True
        self.averages = {}
        self._count_work = count_work
        self._slots = None
        self._trained = set()

    def _values(self):
        return {
            short(v): keras.ops.convert_to_numpy(v).astype("float64") for v in self.model.variables
        }

    def _slot_values(self):
        optimizer = inner(self.model.optimizer)
        return [
            keras.ops.convert_to_numpy(v) for v in optimizer.variables if "predictions" in v.path
        ]

    def on_epoch_begin(self, epoch, logs=None):
        self._before = self._values()
        self._rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if self._slots is not None:
            now = self._slot_values()
            self.slots_kept &= all(map(np.array_equal, self._slots, now)) and len(now) > 2
        if self._count_work:
            self.work.append(_gradient_convolutions(self.model))

    def on_epoch_end(self, epoch, logs=None):
        after = self._values()
        moved = {name for name, old in self._before.items() if not np.array_equal(old, after[name])}
        for variable in self.model.trainable_variables:
            name = short(variable)
            if name not in self._trained:
                self._trained.add(name)
                step = np.abs(after[name] - self._before[name]).max()
                self.first_steps[name] = float(step / self._rate)
                self.averages[name] = after[name]
            self.averages[name] = (self.averages[name] + after[name]) / 2
        self.moved.append(sorted(moved))
        self.iterations.append(int(inner(self.model.optimizer).iterations.numpy()))
        self._slots = self._slot_values()


def _gradient_convolutions(model):
    """How many convolutions the training step computes for the sake of gradients."""
    images, labels = data()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        graph = tf.function(model.train_step).get_concrete_function((images, labels)).graph
        # TensorFlow writes every gradient down and then drops what nothing is assigned from.
        needed = [op.name for op in graph.get_operations() if op.type.startswith("Assign")]
        kept = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), needed)
        return sum("Conv2DBackprop" in node.op for node in kept.node)
    import jax

    kinds = ("trainable", "non_trainable", "optimizer", "metrics")
    state = model._get_jax_state(**{f"{kind}_variables": True for kind in kinds})
    text = str(jax.make_jaxpr(model.train_step)(state, (images, labels, None)))
    return text.count("conv_general_dilated[") - 3


def compiled(model, mode, optimizer=None, ema=False):
    """Compile in the given mode: ``"eager"``, ``"compiled"`` or ``"jit"``."""
    if optimizer is None:
        schedule = keras.optimizers.schedules.CosineDecay(RATE, decay_steps=100)
        optimizer = keras.optimizers.Adam(schedule, use_ema=ema, ema_momentum=0.5)
    if keras.config.dtype_policy().name == "mixed_float16":
        # A scale that overflows would skip the very steps that are looked at.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=256.0)
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=mode == "eager",
        jit_compile=mode == "jit",
    )
    return model


def decayed_by_rates(strategy=None):
    """What is left of three ones of rates 0.1, 0.5 and 1 after one step of decay by 0.05."""
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        variables = [keras.Variable(np.ones(2, "float32")) for _ in range(3)]
        base = keras.optimizers.AdamW(0.1, weight_decay=0.5)
        rates = [([variables[0]], 0.1), ([variables[1]], 0.5)]
        optimizer = tl.optimizers.layer_wise(base, rates)
        optimizer.build(variables)
    zeros = [keras.ops.zeros(2) for _ in variables]

    def step():
        optimizer.apply(zeros, variables)

    step() if strategy is None else strategy.run(step)
    return [float(keras.ops.convert_to_numpy(variable)[0]) for variable in variables]


def facts(
    policy="float32", mode="compiled", strategy=None, train_batch_norm=False, work=False, ema=False
):
    """Train for some epochs of one step each; returns what was seen, as JSON values."""
    keras.config.set_dtype_policy(policy)
    try:
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            model = compiled(tiny_model(), mode, ema=ema)
        staged = tl.callbacks.StagedUnfreezing(SCHEDULE, train_batch_norm=train_batch_norm)
        watch = Watch(count_work=work)
        images, labels = data()
        evaluation = {}
        if ema:
            evaluation = {"validation_data": (images, labels), "validation_batch_size": 8}
        history = model.fit(
            images, labels, batch_size=8, epochs=EPOCHS, shuffle=False, verbose=0, **evaluation,
            callbacks=[tl.callbacks.AveragedEvaluation(), staged, watch],
        )  # fmt: skip
        ended = {short(v): keras.ops.convert_to_numpy(v) for v in model.variables}
        errors = [np.abs(ended[name] - value).max() for name, value in watch.averages.items()]
        said = model.evaluate(images, labels, batch_size=8, verbose=0)[0]
        again = model.fit(images, labels, batch_size=8, verbose=0, callbacks=[
            tl.callbacks.StagedUnfreezing({0: "all"}, train_batch_norm=train_batch_norm)
        ])  # fmt: skip
        optimizer = inner(model.optimizer)
        schedule = keras.optimizers.schedules.CosineDecay(RATE, decay_steps=100)
        return {
            "moved": watch.moved,
            "iterations": watch.iterations,
            "first_steps": watch.first_steps,
            "slots_kept": watch.slots_kept,
            "work": watch.work,
            "average_error": float(max(errors)),
            "losses": [*history.history["loss"], *again.history["loss"]],
            "said": [*history.history.get("val_loss", [])[-1:], said],
            "rate_follows": bool(
                np.isclose(float(optimizer.learning_rate), float(schedule(EPOCHS + 1)), rtol=1e-6)
            ),
            "decayed": decayed_by_rates(strategy),
            "released": "update_step" not in vars(optimizer),
            "backbone": sorted(map(short, find_backbone(model).variables)),
        }
    finally:
        keras.config.set_dtype_policy("float32")


def main():
    devices, cases = int(sys.argv[1]), json.loads(sys.argv[2])
    strategy = None
    if devices > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * devices
        )
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)])
    seen = []
    for policy, mode, options in cases:
        try:
            seen.append(facts(policy, mode, strategy, **options))
        except Exception:
            seen.append({"error": traceback.format_exc()})
    print("FACTS" + json.dumps(seen))


if __name__ == "__main__":
    main()
