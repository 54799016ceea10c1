"""How many wrong labels a check finds: some are turned over, and looked for in the ranking.

    python benchmarks/label_errors.py ../shared/data/hymenoptera --backbone mobilenet_v2_035
    python benchmarks/label_errors.py ../shared/data/hymenoptera

Of each class 5 % of the labels, drawn by the seed, are given to another class, before anything is
computed.  *Recall* and *precision* are those of the turned labels among the first 10 % of the
ranking (with 5 % turned, precision cannot pass 50 %); *found at N* is the share of turned labels
among the first N, where N is their number; *suspects* is what ``tl-keras check`` reports without
being told how many there are.  What was wrong in the data before counts as a false alarm.  Beside
it, on the same features: the probability of the given label by logistic regression on standardised
features in five folds (the usual recipe), a vote of the ten nearest neighbours, and chance.
Figures are means over the seeds and their standard deviations.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tl_keras as tl
from tl_keras.data.checking.label_errors import judge_labels
from tl_keras.data.checking.neighbours import nearest, unit_rows
from tl_keras.training.embedding import embed


def turned(labels, classes, share, rng):
    """Labels of which a share of each class is wrong, and which those are."""
    changed = labels.copy()
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        chosen = rng.choice(rows, max(1, round(share * len(rows))), replace=False)
        changed[chosen] = (label + rng.integers(1, classes, len(chosen))) % classes
    return changed, changed != labels


def logistic(features, labels, classes, seed):
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    found = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
    return -found[np.arange(len(labels)), labels]


def neighbours(features, labels, classes, seed):
    positions, distances = nearest(unit_rows(features), 10)
    agree = (labels[positions] == labels[:, None]) * (1 - distances / distances.max() / 100)
    return -agree.mean(axis=1)


def figures(scores, wrong):
    """Recall and precision in the first 10 %, and among as many as are wrong."""
    order = np.argsort(-scores, kind="stable")
    top = wrong[order[: round(0.1 * len(order))]]
    return {
        "recall": top.sum() / wrong.sum(),
        "precision": top.mean(),
        "found at N": wrong[order[: wrong.sum()]].mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    examples = tl.data.from_folder(options.data, progress=False)
    features = embed(examples, backbone=options.backbone, image_size=options.image_size)
    labels, classes = np.array(examples.labels), len(examples.class_names)
    rows = {"ours": [], "logistic regression": [], "ten neighbours": [], "chance": []}
    suspects = []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        given, wrong = turned(labels, classes, options.share, rng)
        judged = judge_labels(features, given, classes)
        rows["ours"].append(figures(judged.scores, wrong))
        rows["logistic regression"].append(figures(logistic(features, given, classes, seed), wrong))
        rows["ten neighbours"].append(figures(neighbours(features, given, classes, seed), wrong))
        rows["chance"].append(figures(rng.random(len(given)), wrong))
        hits = (judged.suspects & wrong).sum()
        suspects.append((judged.suspects.sum(), hits / judged.suspects.sum(), hits / wrong.sum()))
    result = {
        "images": len(labels),
        "turned": int(wrong.sum()),
        "seeds": options.seeds,
        **{
            name: {
                key: [round(float(f([row[key] for row in runs])), 3) for f in (np.mean, np.std)]
                for key in runs[0]
            }
            for name, runs in rows.items()
        },
        "suspects": dict(
            zip(
                ("number", "precision", "recall"),
                np.mean(suspects, axis=0).round(3).tolist(),
                strict=True,
            )
        ),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
