"""A process that takes part in a search: python tune_program.py DATA FOLDER WEIGHTS SETTINGS.

Prints the number of each trial that it runs, and at the end how many there are.
"""

import json
import sys

import tiny_backbone

import tl_keras as tl
from tl_keras.selection import tuning

data, folder, weights, settings = sys.argv[1:]
run_trial = tuning.run_trial


def told(trainer, settings, trial, *more):
    print("trial", trial.number, flush=True)
    return run_trial(trainer, settings, trial, *more)


tuning.run_trial = told
found = tl.tune(
    tl.data.from_folder(data, progress=False), folder, backbone=tiny_backbone.NAME,
    weights=weights, image_size=64, verbose=False, **json.loads(settings),
)  # fmt: skip
print("ended", len(found.trials), json.dumps(found.comparison))
