"""Two workers under Ray train three epochs; run by tests in its own process.

python ray_program.py PICTURES FOLDER [die]     `die`: a worker kills itself once, by signal 9
"""

import sys
from pathlib import Path

from tl_keras.training.ray_engine import train_with_ray


def train(config):
    import os
    import signal

    import keras
    import numpy as np
    import placed_training

    import tl_keras as tl
    from tl_keras.training.placement import choose_placement
    from tl_keras.training.placing import placed
    from tl_keras.training.ray_engine import resume_together
    from tl_keras.training.replica_batches import replica_batches

    folder = Path(config["folder"])
    placement = choose_placement("multi_worker")

    class DieOnce(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            marker = folder / "died"
            here = self.epoch == 1 and batch == 1 and placement.worker == 1
            if config["die"] and here and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    keras.utils.set_random_seed(1)
    examples = tl.data.from_folder(config["pictures"], progress=False)
    model = placed_training.build()
    with placed(model, placement) as working:
        batches = replica_batches(
            examples, placement, batch_size=4, image_size=16, shuffle=True, seed=3, training=True
        )
        working.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
        callbacks = [
            tl.callbacks.StagedUnfreezing({0: 0, 1: "all"}),
            DieOnce(),
            keras.callbacks.History(),
        ]
        keeper = resume_together(folder / "checkpoint", placement, callbacks, [batches])
        history = working.fit(batches, epochs=3, verbose=0, callbacks=[*callbacks, keeper])
    if placement.chief:
        weights = {f"w{i}": v.numpy() for i, v in enumerate(model.variables)}
        np.savez(folder / "out.npz", loss=history.history["loss"], **weights)


if __name__ == "__main__":
    pictures, folder = (Path(one).resolve() for one in sys.argv[1:3])
    folder.mkdir(parents=True, exist_ok=True)
    config = {"pictures": str(pictures), "folder": str(folder), "die": "die" in sys.argv}
    train_with_ray(train, config, 2, folder / "ray")
