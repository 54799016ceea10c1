"""How far 1, 5 and 10 images a class go: heads in closed form against a head that is trained.

    python benchmarks/few_shot.py --output few_shot.json

On ``hymenoptera`` (its own split), and ``pets`` and ``magnetic-tile`` (halved by seed 0): images
are drawn from the training part and measured on all of the other.  Features of the frozen base are
computed once.  Closed form: 20 draws.  Trained: the recipe ``feature_extraction`` (60 epochs of
AdamW; no validation data, so it ends where it ends) on the first 5 of these draws; the difference
is of the same draws, with a 95 % t-interval.  Seconds are of the head alone, medians, in one
process; what they are worth beside each other is the point.  Development looked at these sets:
which penalty is chosen how, and the constants for one image a class, are not blind to them.

Added: each class in turn is left out of a ridge head on four fifths of the training images, and
then added from 2, 5 and 10 images and what the artefact would remember of the last fifth (5 draws
each).  Beside it stands the ridge that fits all classes anew from all these images, each counting
the same.

Finished figures are kept in OUTPUT and not measured again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from real_sets import load_set

import tl_keras as tl
from tl_keras.artefact.class_features import even_positions
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.data.splitting import stratified
from tl_keras.evaluation.fold_figures import fold_figure
from tl_keras.training.added_classes import columns_for_classes
from tl_keras.training.closed_form import SOLVERS, closed_form_head
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.few_shot import accuracy_over_draws

SETS = ("hymenoptera", "pets", "magnetic-tile")
MEASURES = {"closed": (1, 5, 10), "added": (2, 5, 10), "trained": (1, 5, 10)}
TRAINED_DRAWS = 5
BASES = {
    "bundled": (next(iter(bundled_backbones())), "bundled"),
    "mobilenet_v2_035": ("mobilenet_v2_035", "imagenet"),
}


class Measured:
    """A set with its features, from which heads are made."""

    def __init__(self, base: str, name: str, cache: FeatureCache):
        self.train, self.test = load_set(name, 0)
        self.base, self.cache = base, cache
        cache.whole = self.train
        backbone, weights = BASES[base]
        self.model = tl.build_classifier(backbone, len(self.train.class_names), weights=weights)
        extraction = FeatureExtraction(
            self.model, image_size=self.model.input_shape[1], cache=cache, verbose=True
        )
        self.x, self.u = (extraction.run(p, what=name).views[0] for p in (self.train, self.test))

    def closed(self, shots: int) -> dict:
        held_out = self.u, np.asarray(self.test.labels)
        found = accuracy_over_draws(self.x, self.train, shots, held_out=held_out)
        drawn = self.train.draw(shots, leave=False)[0]
        at = {digest: row for row, digest in enumerate(self.train.digests)}
        rows = [at[digest] for digest in drawn.digests]
        for solver in SOLVERS:
            times = []
            for _ in range(5):
                began = time.perf_counter()
                closed_form_head(self.x[rows], drawn.labels, len(drawn.class_names), solver)
                times.append(time.perf_counter() - began)
            found[solver]["seconds"] = float(np.median(times))
        return found

    def added(self, shots: int) -> dict:
        """Means over classes and draws: of old ones before and after, of the new, of all, anew."""
        labels, truths = np.asarray(self.train.labels), np.asarray(self.test.labels)
        classes = len(self.train.class_names)
        found = []
        for new in range(classes):
            order = np.argsort([*(c for c in range(classes) if c != new), new])
            y, t = order[labels], order[truths]
            for draw in range(5):
                known, kept = stratified(self.train, 0.2, draw)
                first = [row for row in known if y[row] < classes - 1]
                kept = [row for row in kept if y[row] < classes - 1]
                kept = np.asarray(kept)[even_positions(y[kept])].tolist()
                fresh = np.random.default_rng(draw).permutation(np.flatnonzero(y == classes - 1))
                fresh = fresh[:shots].tolist()
                head = closed_form_head(self.x[first], y[first], classes - 1)
                old = [part @ head.kernel + head.bias for part in (self.x, self.u)]
                rows = kept + fresh
                columns = columns_for_classes(self.x[rows], old[0][rows], y[rows], 1)
                beside = np.concatenate([old[1], self.u @ columns.kernel + columns.bias], 1)
                anew = closed_form_head(
                    self.x[first + rows], y[first + rows], classes
                ).probabilities(self.u)
                was_old = t < classes - 1
                right = {
                    "old classes, before": (old[1].argmax(1) == t)[was_old],
                    "old classes, after": (beside.argmax(1) == t)[was_old],
                    "the new one": (beside.argmax(1) == t)[~was_old],
                    "all": beside.argmax(1) == t,
                    "all, fitted anew": anew.argmax(1) == t,
                }
                found.append({name: float(one.mean()) for name, one in right.items()})
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def trained(self, shots: int) -> dict:
        values, times, layer = [], [], self.model.get_layer("predictions")
        for repeat in range(TRAINED_DRAWS):
            drawn, _ = self.train.draw(shots, repeat=repeat, leave=False)
            layer.kernel.assign(keras.initializers.GlorotUniform(repeat)(layer.kernel.shape))
            layer.bias.assign(np.zeros(layer.bias.shape))
            run = tl.fit(
                self.model, drawn, recipe="feature_extraction", features=self.cache, verbose=False
            )
            times.append(sum(row["seconds"] for row in run.history))
            kernel, bias = (keras.ops.convert_to_numpy(v) for v in (layer.kernel, layer.bias))
            said = (self.u @ kernel + bias).argmax(axis=1)
            values.append(float((said == self.test.labels).mean()))
        return {**fold_figure(values, 0.0), "seconds": float(np.median(times))}


def table(results: dict) -> str:
    """Both tables, of what is measured."""
    lines = [
        "| base | set | images a class | prototypes | ridge | trained head | ridge - trained, same "
        "draws | seconds: ridge, trained |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, found in results.items():
        if not key.startswith("closed/"):
            continue
        where = key.removeprefix("closed/")
        ridge, trained = found["ridge"], results.get(f"trained/{where}")
        three = [found["prototypes"], ridge, *([trained] if trained else [])]
        cells = [f"{100 * one['value']:.1f} ± {100 * one['sd']:.1f}" for one in three]
        if trained:
            pairs = zip(ridge["values"], trained["values"], strict=False)
            apart = fold_figure([100 * (r - t) for r, t in pairs], 0.0)
            cells.append(f"{apart['value']:+.1f} ({apart['low']:+.1f} to {apart['high']:+.1f})")
            cells.append(f"{ridge['seconds']:.4f}, {trained['seconds']:.1f}")
        else:
            cells += ["-", "-", f"{ridge['seconds']:.4f}, -"]
        lines.append("| " + " | ".join([*where.split("/"), *cells]) + " |")
    lines += [
        "",
        "| base | set | images of the new class | old classes, before | after | the new one | all "
        "| all, fitted anew |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, found in results.items():
        if key.startswith("added/"):
            cells = [f"{100 * value:.1f}" for value in found.values()]
            lines.append("| " + " | ".join([*key.split("/")[1:], *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("few_shot.json"))
    parser.add_argument("--bases", nargs="*", default=["bundled"], choices=list(BASES))
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--measures", nargs="*", default=list(MEASURES), choices=list(MEASURES))
    parser.add_argument("--shots", nargs="*", type=int, help="only these numbers of images")
    parser.add_argument("--features", type=Path, help="folder to keep features in")
    options = parser.parse_args()
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    for base in options.bases:
        for name in options.sets:
            measured = None
            for measure in options.measures:
                if measure == "added" and name == "hymenoptera":
                    continue  # of two classes one is left, which is no classifier
                for shots in MEASURES[measure]:
                    key = f"{measure}/{base}/{name}/{shots}"
                    if key in results or (options.shots and shots not in options.shots):
                        continue
                    measured = measured or Measured(base, name, FeatureCache(options.features))
                    results[key] = getattr(measured, measure)(shots)
                    options.output.write_text(json.dumps(results, indent=1))
                    print(key, file=sys.stderr, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
