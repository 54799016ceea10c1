"""Does ``drift`` stay silent on one source and speak on another, on real images?

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/drift.py --output drift.json

On ``hymenoptera``, ``pets`` and ``magnetic-tile``: a ridge head on the frozen base (the shipped one
by default) is fitted to the training half (hymenoptera: its own split); of the other half the
artefact remembers one half, and the rest is fresh.

- silent: twenty random halvings of the images of each set, features compared without predictions;
  the share that is called drift, which should be 5 % or less.
- speaks: new images against what the artefact remembers: fresh ones, the same with less light,
  lighter, blurred and as JPEG of quality 10, and images of the other sets; from at most 100, from
  30 and from 12 new images.  (Training images would not do for fresh ones: of those it was fitted
  to a model is surer, which drift of predictions finds.)
- robustness: what that model bears, on the images it was not fitted to.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from real_sets import load_set, load_whole

import tl_keras as tl
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.data.corruptions import corrupted
from tl_keras.data.decoding import load_image
from tl_keras.evaluation.drift.comparing import compare
from tl_keras.evaluation.robustness import robustness_lines

SETS = ("hymenoptera", "pets", "magnetic-tile")
HALVINGS = 20
COUNTS = (100, 30, 12)
PARTS = ("silent", "speaks", "robustness")


def files(name: str) -> list[str]:
    """The training images of a set."""
    return [str(path) for path in load_set(name)[0].paths]


def changed(paths, way: str, folder: Path, size: int) -> list[Path]:
    """The images in the model's square, changed in one way, as new files."""
    folder.mkdir()
    images = np.stack([load_image(path, size) for path in paths])
    made = {
        "darker by half": lambda: images // 2,
        "lighter (1 of 5)": lambda: corrupted(images, "brightness", 1),
        "blurred (1 of 5)": lambda: corrupted(images, "blur", 1),
        "JPEG quality 10": lambda: corrupted(images, "JPEG", 4),
    }[way]()
    files = [folder / f"{number}.png" for number in range(len(made))]
    for file, image in zip(files, made, strict=True):
        Image.fromarray(image.astype("uint8")).save(file)
    return files


def trained(name: str, base: str, weights: str, folder: Path):
    """An artefact with a ridge head, and the paths of images it has never seen."""
    train, held_out = load_set(name)
    remembered, fresh = held_out.split(0.5, seed=0)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier(base, len(train.class_names), weights=weights)
    run = tl.fit(model, train, remembered, recipe="ridge", verbose=False)
    print(f"{name}: accuracy {run.metrics['accuracy']['value']:.3f}", flush=True)
    return tl.load(run.save(folder / name)), [str(path) for path in fresh.paths]


def false_alarms(name: str, base: str, weights: str) -> dict:
    """How often halves of one set are called different."""
    whole = load_whole(name)
    rows = tl.embed(whole, backbone=base, weights=weights)
    alarms, areas = 0, []
    for seed in range(HALVINGS):
        order = np.random.default_rng(seed).permutation(len(rows))
        half = len(rows) // 2
        found = compare(rows[order[:half]], rows[order[half:]], seed=seed)
        alarms += found["drift"]
        areas.append(found["told_apart"]["auc"]["value"])
    print(f"{name}: {alarms} of {HALVINGS} halvings called drift, mean AUC {np.mean(areas):.3f}")
    return {"alarms": alarms, "halvings": HALVINGS, "auc": areas, "images": len(rows)}


def shifts(predictor, fresh, others: dict, folder: Path) -> dict:
    """What is said of fresh images of the set, changed ones, and other sets."""
    rng = np.random.default_rng(0)
    found = {}
    for count in COUNTS:
        some = [fresh[i] for i in rng.permutation(len(fresh))[:count]]
        new = {"fresh images": some}
        for way in ("darker by half", "lighter (1 of 5)", "blurred (1 of 5)", "JPEG quality 10"):
            target = folder / f"{predictor.folder.name} {count} {way}"
            new[way] = changed(some, way, target, predictor.image_size)
        for name, paths in others.items():
            new[name] = [paths[i] for i in rng.permutation(len(paths))[:count]]
        for what, paths in new.items():
            said = tl.drift(predictor, paths).as_dict()
            apart = said["told_apart"]
            kept = {key: said[key] for key in ("drift", "adjusted", "far", "unlike")}
            found[f"{what}, {len(said['new'])}"] = {**kept, "told_apart": apart}
            print(
                f"  {what:<18} {len(said['new']):>4}  drift {said['drift']!s:<5}  "
                f"AUC {apart['auc']['value']:.2f}  p {apart['p']:.3f}  least adjusted p "
                f"{min(said['adjusted'].values()):.3f}  far {said['far']['value']:.2f}",
                flush=True,
            )
    return found


def main() -> None:
    """Measure and print; figures go to --output as JSON, beside what stands there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="|".join(PARTS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--base", default=next(iter(bundled_backbones())))
    parser.add_argument("--weights", default="bundled")
    parser.add_argument("--output", type=Path, default=Path("drift.json"))
    options = parser.parse_args()
    base = options.base, options.weights
    figures: dict = json.loads(options.output.read_text()) if options.output.exists() else {}
    with tempfile.TemporaryDirectory() as place:
        for name in options.sets:
            found = figures.setdefault(f"{name} {options.base}", {})
            print(f"\n{name} {options.base}")
            if "silent" in options.parts:
                found["silent"] = false_alarms(name, *base)
            if {"speaks", "robustness"} & set(options.parts):
                predictor, fresh = trained(name, *base, Path(place))
            if "speaks" in options.parts:
                others = {other: files(other) for other in SETS if other != name}
                found["speaks"] = shifts(predictor, fresh, others, Path(place))
            if "robustness" in options.parts:
                found["robustness"] = tl.robustness(predictor, load_set(name)[1])
                print("\n".join(robustness_lines(found["robustness"])))
            options.output.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
