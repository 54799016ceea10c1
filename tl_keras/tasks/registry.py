"""The tasks by name."""

import difflib

import keras

from tl_keras.errors import InputError
from tl_keras.tasks.classification import Classification
from tl_keras.tasks.detection import Detection
from tl_keras.tasks.embedding import Embedding
from tl_keras.tasks.instances import InstanceSegmentation
from tl_keras.tasks.localization import Localization
from tl_keras.tasks.segmentation import Segmentation
from tl_keras.tasks.tagging import Tagging
from tl_keras.tasks.task import Task

#: Every task, by the name that ``--task`` takes.
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Classification(),
        Tagging(),
        Localization(),
        Detection(),
        Segmentation(),
        InstanceSegmentation(),
        Embedding(),
    )
}


def get_task(name: str) -> Task:
    """Finds a task.

    Raises:
        InputError: There is none of this name.

    Example:
        >>> get_task("tag").target
        'tags'
    """
    if name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(name, TASKS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"no task {name!r}; {hint}there are {', '.join(TASKS)}")


def task_of(model: keras.Model) -> Task:
    """The task that a model of our builders is for, by the model's name.

    Raises:
        InputError: It is none of theirs.

    Example:
        >>> from tl_keras.builders import build_classifier
        >>> task_of(build_classifier("mobilenet_025", 3, image_size=32, weights=None)).name
        'classify'
    """
    found = [task for task in TASKS.values() if task.model_name == model.name]
    if found:
        return found[0]
    raise InputError(
        f"tl_keras.fit trains models of build_classifier and its kin; {model.name!r} is none: give "
        "one, say task=..., or use model.fit with tl_keras.callbacks.StagedUnfreezing"
    )
