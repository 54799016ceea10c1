"""Splits: by class, group, tags or time, in two sides or k folds, and no content on two sides.

:meth:`tl_keras.data.Examples.split` and :meth:`tl_keras.data.Examples.folds` are the doors.  All
of it works on positions in the table, needs numpy alone, and is a function of the contents of the
files and the seed: names, folders and the order of a listing do not enter.
"""

from tl_keras.data.splitting.by_class import stratified
from tl_keras.data.splitting.fingerprint import split_fingerprint
from tl_keras.data.splitting.parts import train_val_test
from tl_keras.data.splitting.rules import fold_positions, split_positions
from tl_keras.data.splitting.seeds import check_seed
from tl_keras.data.splitting.shots import shot_positions

__all__ = [
    "check_seed",
    "fold_positions",
    "shot_positions",
    "split_fingerprint",
    "split_positions",
    "stratified",
    "train_val_test",
]
