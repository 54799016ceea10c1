"""A process that takes part in a study: python tune_program.py FOLDER SETTINGS.

The trials train nothing: they wait, and report.  Prints the number of each when its
settings are drawn.
"""

import json
import sys
import time
from pathlib import Path

from tl_keras.selection.search_space import search_space
from tl_keras.selection.tuning_study import TuningStudy

given = json.loads(sys.argv[2])
space = search_space(given["search"], {"unfreeze": "0", "base": "x@64"})
study = TuningStudy(Path(sys.argv[1]), given.get("url"), "study")


def objective(trial):
    settings = space.suggest(trial, defaults="defaults" in trial.user_attrs)
    print("trial", trial.number, flush=True)
    for epoch in range(6):
        trial.report(settings["dropout"], epoch + 1)
        time.sleep(given["seconds"] / 6)
    return settings["dropout"]


def fill():
    study.queue(space, given["sampler"], given["trials"], 0)


if study.find() is None:
    study.create({"data": "one"}, fill)
study.use(given["sampler"], "halving", 0, True)
fill()
study.run(given["trials"], objective, lambda: None)
print("ended", len(study.begun(ended=True)))
