"""Two processes on this machine train one model and get what one process gets."""

import json
from pathlib import Path

import numpy as np
import placed_training
import pytest
from processes import finish, free_ports, start

from tl_keras.training.multi_worker import mend_keras

PROGRAM = Path(placed_training.__file__)


def test_the_mend_is_made_once_and_only_where_needed(monkeypatch):
    import keras
    from keras.src.backend.tensorflow import trainer

    if not mend_keras():
        pytest.skip(f"Keras {keras.__version__} does not have the faults")
    mended = trainer.reduce_per_replica
    mend_keras()
    assert trainer.reduce_per_replica is mended
    monkeypatch.setattr(keras, "__version__", "3.16.0")
    assert not mend_keras()


@pytest.mark.slow
def test_two_workers_do_what_one_process_does(tmp_path):
    """BatchNorm synchronised, uneven last batch, staged unfreezing, unequal first weights."""
    placed_training.draw(tmp_path / "pictures")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    outs = [tmp_path / f"worker{i}.npz" for i in range(2)]
    workers = [
        start(
            PROGRAM, "multi_worker", "float32", tmp_path / "pictures", out,
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}),
        )
        for i, out in enumerate(outs)
    ]  # fmt: skip
    said = finish(workers)
    assert "this is worker 1" in said[1]
    alone = tmp_path / "alone.npz"
    finish([start(PROGRAM, "cpu", "float32", tmp_path / "pictures", alone)])
    results, expected = [np.load(out) for out in outs], np.load(alone)
    for result in results:
        assert result["replicas"] == 2
        for name in [f"w{i}" for i in range(12)]:
            np.testing.assert_allclose(result[name], expected[name], rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(result[name], results[0][name])
        for name in ("val_loss", "val_accuracy"):
            np.testing.assert_allclose(result[name], expected[name], rtol=1e-5)
    # The chief alone writes.
    assert (tmp_path / "worker0.keras").is_file() and not (tmp_path / "worker1.keras").exists()
