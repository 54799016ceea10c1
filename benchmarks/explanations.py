"""How much of what explanations show lies on the pet, by base and method.

    python benchmarks/explanations.py --output explanations/      # an hour on two cores

Pets with trimaps, three breeds; bases: every one that `tl-keras rank` would compare by default
(KERAS_HOME says where their weights are).  On each a head in closed form (recipe "ridge") learns
the breeds of the training part; what is explained is the predicted breed of images of the test
part.  Border pixels of the trimaps count nowhere.

"share" is the part of a map's sum that lies on the pet, to be read beside "area", the pet's part of
the pixels, which a map that knows nothing would have, and "other", what maps have on the pet of the
next image, as the habit of looking at the middle would; "pointing" is how often the map's maximum
lies on the pet (the pointing game of Zhang et al. 2016, arXiv:1608.00507; of several maxima, their
part).  Means over the images that have a map, with 95 % limits from a bootstrap over images.
"stays" is the mean rank correlation of the maps of 8 images before and after every weight of base
and head was shuffled (`explanation_sanity`): a map that shows what was learned does not stay.

A JSON file per base and method: what is there is not run again.  Seconds are of one call over all
images, tracing included.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from dense_data import load_dense

import tl_keras as tl
from tl_keras.evaluation.explaining.methods import METHODS, explain
from tl_keras.evaluation.explaining.sanity import explanation_sanity
from tl_keras.evaluation.resampled import mean_over_images, resample_weights
from tl_keras.selection import bases_at_hand
from tl_keras.selection.candidates import asked_for

_PET, _IGNORE = 1, 255
_SHUFFLED = 8  # images
_ORDER = {name: number for number, name in enumerate(METHODS)}


def breeds(table):
    """The same images with breeds for classes, without masks."""
    names = [Path(path).stem.rsplit("_", 1)[0] for path in table.paths]
    known = tuple(sorted(set(names)))
    labels = np.array([known.index(name) for name in names])
    return replace(table, labels=labels, class_names=known, masks=None)


def figures(maps: np.ndarray, masks: np.ndarray) -> dict[str, list[float]]:
    """Of each image: share, other, area and pointing; NaN where there is no map.

    Args:
        maps: (N, S, S), 0..1.
        masks: uint8 (N, S, S): 1 the pet, 255 counts nowhere.
    """
    found = {
        "share": _shares(maps, masks),
        "other": _shares(maps, np.roll(masks, 1, axis=0)),
        "area": [(mask == _PET).sum() / (mask != _IGNORE).sum() for mask in masks],
        "pointing": [],
    }
    for heat, mask in zip(maps, masks, strict=True):
        known = mask != _IGNORE
        peak = known & (heat == heat[known].max())
        hits = (peak & (mask == _PET)).sum() / peak.sum()
        found["pointing"].append(hits if heat[known].any() else np.nan)
    return {name: [float(value) for value in values] for name, values in found.items()}


def _shares(maps: np.ndarray, masks: np.ndarray) -> list[float]:
    pets = np.where(masks == _PET, maps, 0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):  # no map at all: NaN
        return list(pets / np.where(masks != _IGNORE, maps, 0).sum(axis=(1, 2)))


def trained(base, train):
    """A classifier of breeds on a frozen base."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    weights = "bundled" if base.file is None else str(base.file)
    model = tl.build_classifier(
        base.backbone, len(train.class_names), image_size=base.image_size, weights=weights
    )
    tl.fit(model, train, recipe="ridge", verbose=False)
    return model


def measure(base, options, until: float) -> None:
    """Write a file for each method on one base, where there is none."""
    folder = options.output / base.name
    missing = [name for name in options.methods if not (folder / f"{name}.json").exists()]
    if not missing or time.monotonic() > until:
        return
    parts = load_dense("pets-trimaps")
    table = breeds(parts["train"])
    test = parts["test"].subset(range(min(options.images, len(parts["test"]))))
    model = trained(base, table)
    pairs = [map(np.asarray, pair) for pair in test.dataset(32, base.image_size, target="pixels")]
    pictures, masks = (np.concatenate(some) for some in zip(*pairs, strict=True))
    answers = model.predict(pictures, verbose=0).argmax(axis=1)
    truths = [Path(path).stem.rsplit("_", 1)[0] for path in test.paths]
    right = np.mean([table.class_names[a] == b for a, b in zip(answers, truths, strict=True)])
    for method in missing:
        if time.monotonic() > until:
            return
        begun = time.perf_counter()
        maps = explain(model, pictures, answers, method)
        seconds = (time.perf_counter() - begun) / len(pictures)
        some = slice(_SHUFFLED)
        stays = explanation_sanity(
            model, pictures[some], answers[some], method, after=("stem",)
        )  # fmt: skip
        found = {
            "accuracy": float(right),
            "seconds": seconds,
            "stays": stays["stem"],
            **figures(maps, masks),
        }
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{method}.{os.getpid()}.partial"
        partial.write_text(json.dumps(found))
        partial.replace(folder / f"{method}.json")
        print(base.name, method, {k: np.nanmean(v).round(3) for k, v in found.items()},
              file=sys.stderr, flush=True)  # fmt: skip


def summary(folder: Path) -> None:
    """The table, in Markdown."""
    print("| base | accuracy | method | area | other | share | pointing | stays | s/image |")
    print("|---|---|---|---|---|---|---|---|---|")
    for file in sorted(folder.glob("*/*.json"), key=lambda f: (f.parent.name, _ORDER[f.stem])):
        found = json.loads(file.read_text())
        weights = resample_weights(len(found["area"]))
        area, other, share, pointing = (
            mean_over_images(np.array(found[key]), weights)
            for key in ("area", "other", "share", "pointing")
        )
        cells = [
            file.parent.name, f"{100 * found['accuracy']:.0f} %", METHODS[file.stem].title,
            f"{area['value']:.2f}", f"{other['value']:.2f}", _limits(share), _limits(pointing),
            f"{found['stays']:.2f}", f"{found['seconds']:.2f}",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")


def _limits(figure: dict) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--bases", nargs="+", help="as for tl-keras rank --backbones")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--images", type=int, default=100, help="of the test part")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin nothing after so many"
    )
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    for base in asked_for(options.bases) if options.bases else bases_at_hand():
        measure(base, options, until)
    summary(options.output)


if __name__ == "__main__":
    main()
