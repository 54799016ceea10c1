"""Measure the CPU latency of every built-in backbone into tl_keras/backbones/measurements.json.

One image, batch 1, at the backbone's default size, random weights (they do not change the time), a
TensorFlow graph on 2 threads: one warm-up call, then the fastest of a few, since other work on the
machine only ever adds time. Each backbone runs in a process of its own, so that memory is given
back; what is measured already is skipped, so the script can be stopped and started again.

    python benchmarks/backbone_latency.py                  # what is missing
    python benchmarks/backbone_latency.py --again vgg16    # once more; the faster one is kept
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = 2
TARGET = Path(__file__).parents[1] / "tl_keras" / "backbones" / "measurements.json"


def measure(name: str, calls: int, seconds: float) -> float:
    """Milliseconds of the fastest call; stops early once ``seconds`` are spent."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from tl_keras.backbones.base import build_backbone

    base = build_backbone(name, weights=None)
    image = tf.random.uniform((1, *base.input_shape[1:]), -1, 1)
    run = tf.function(lambda x: base(x, training=False))
    run(image)
    fastest, began = float("inf"), time.perf_counter()
    for _ in range(calls):
        before = time.perf_counter()
        run(image).numpy()
        fastest = min(fastest, time.perf_counter() - before)
        if time.perf_counter() - began > seconds:
            break
    return fastest * 1000


def method() -> str:
    from importlib.metadata import version

    model = "CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return (
        f"float32, batch 1 at the default size, {THREADS} threads of {model}, TensorFlow "
        f"{version('tensorflow')} graph, Keras {version('keras')}, fastest of up to 20 calls "
        "after a warm-up (benchmarks/backbone_latency.py)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--again", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    if options.one:
        print(measure(options.one, options.calls, options.seconds))
        return
    from tl_keras.backbones.registry import list_backbones

    found = json.loads(TARGET.read_text()) if TARGET.exists() else {"latency_ms": {}}
    for name in list_backbones():
        if name in found["latency_ms"] and name not in options.again:
            continue
        command = [sys.executable, __file__, "--one", name]
        command += ["--calls", str(options.calls), "--seconds", str(options.seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        latency = round(float(done.stdout.split()[-1]), 1)
        latency = min(latency, found["latency_ms"].get(name, latency))
        latencies = {**found["latency_ms"], name: latency}
        known = {key: latencies[key] for key in list_backbones() if key in latencies}
        found = {"method": method(), "latency_ms": known}
        TARGET.write_text(json.dumps(found, indent=2) + "\n")
        print(f"{name:<24} {latency:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
