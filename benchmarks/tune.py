"""What tuning is worth: the best settings found against the defaults, on images that chose nothing.

    KERAS_HOME=... python benchmarks/tune.py heads --output tuned/     # minutes a set on two cores
    KERAS_HOME=... python benchmarks/tune.py everything --output tuned/     # an hour or more a set
    python benchmarks/tune.py summary --output tuned/

Real sets, MobileNetV2 0.35 at 128 px with ImageNet weights.  "heads" leaves the base frozen and
searches rate, decay, smoothing, dropout and kind of the head on cached features; "everything" is
what `tl-keras tune` does by default.  On those sets that bring a test part it decides; on the
others a fifth is set aside.  Both sides are trained with three seeds that the search did not use;
the interval of the difference is paired, over images.  Killed, it goes on where it was.
"""

import argparse
import json
import time
from pathlib import Path

from real_sets import load_whole

import tl_keras as tl

SETS = ("hymenoptera", "brain-mri", "magnetic-tile")
HEADS = [
    "unfreeze=0", "learning_rate", "weight_decay", "label_smoothing", "dropout", "head"
]  # fmt: skip


def measure(options) -> None:
    for name in options.sets:
        folder = options.output / options.measure / name
        examples = load_whole(name)
        began = time.perf_counter()
        tuning = tl.tune(
            examples, folder, trials=options.trials,
            search=HEADS if options.measure == "heads" else None,
            backbone="mobilenet_v2_035", image_size=128, seed=options.seed,
        )  # fmt: skip
        tuning.save()
        found = {**tuning.as_dict(), "seconds": time.perf_counter() - began}
        (folder / "result.json").write_text(json.dumps(found))
        print(f"{name}: {tuning.verdict}", flush=True)


def summary(options) -> None:
    """One row for each search."""
    print("| search | set | trials | validation: best, defaults | chose nothing: best, defaults | ")
    print("|---|---|---|---|---|")
    for file in sorted(options.output.glob("*/*/result.json")):
        found = json.loads(file.read_text())
        trials = found["trials"]
        default = next(one for one in trials if one["defaults"])
        pruned = sum(one["state"] == "pruned" for one in trials)
        chosen = f"{_percent(found['best']['accuracy'])}, {_percent(default['accuracy'])}"
        said = "the defaults were the best"
        if found["comparison"]:
            sides = [found["comparison"][key]["value"] for key in ("best", "defaults")]
            gain = found["comparison"]["difference"]
            low, high = (100 * gain[key] for key in ("low", "high"))
            said = f"{_percent(sides[0])}, {_percent(sides[1])}: {100 * gain['value']:+.1f} points"
            said += f" ({low:+.1f} to {high:+.1f}) on {found['comparison']['images']}"
        count = f"{len(trials)} ({pruned} cut short)"
        print(f"| {file.parts[-3]} | {file.parts[-2]} | {count} | {chosen} | {said} |")


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measure", choices=["heads", "everything", "summary"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=[*SETS, "pets", "fashion"])
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    summary(options) if options.measure == "summary" else measure(options)


if __name__ == "__main__":
    main()
