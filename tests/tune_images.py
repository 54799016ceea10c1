"""A process that tunes on a folder of pictures: python tune_images.py DATA FOLDER WEIGHTS."""

import json
import sys

import tiny_backbone

import tl_keras as tl
from tl_keras.selection import tuning_final

tuning_final.REPEATS = 1  # trainings of each side in the end
data, folder, weights = sys.argv[1:]
found = tl.tune(
    tl.data.from_folder(data, progress=False), folder, trials=4, backbone=tiny_backbone.NAME,
    weights=weights, image_size=64, verbose=False,
    search=["learning_rate=1e-5..1e-1", "dropout=0,0.3", "head"],
)  # fmt: skip
print(json.dumps(found.as_dict()))
