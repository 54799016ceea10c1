"""Where a run that was killed stands, so that the same command goes on with it."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tl_keras.data.locks import take_lock
from tl_keras.errors import InputError

_SUFFIX = ".unfinished"
_SETTINGS = "command.json"
_LOCK = "in-use"
# What the result does not depend on.
_LEFT_OUT = ("command", "command_line", "json", "output", "resume", "strict", "track")


def settings_of(options: Any, train: Any, val: Any, recipe: Any) -> dict[str, Any]:
    """What two commands must have in common for one to go on with the other's run.

    Args:
        options: Parsed, with ``data`` among them.
        train: Training examples.
        val: Validation examples.
        recipe: The recipe itself, for a file of the same name may have changed.
    """
    given = {key: value for key, value in vars(options).items() if key not in _LEFT_OUT}
    data = {"training images": train.fingerprint(), "validation images": val.fingerprint()}
    return json.loads(json.dumps({**given, **data, "recipe stages": repr(recipe)}, default=str))


@contextlib.contextmanager
def unfinished_run(
    output: str | None, name: str, settings: Mapping[str, Any], resume: bool
) -> Iterator[tuple[Path, Path, bool]]:
    """Choose the folder of the result, and the one beside it for checkpoints.

    Without ``output`` the newest unfinished run of the same settings under ``saved_models`` is
    gone on with, if there is one that no other process works on.  A block that ends well has no
    need of the checkpoints any more, and they go.

    Args:
        output: As given by the user.
        name: Of the data, for a folder's name.
        settings: Of :func:`settings_of`.
        resume: Whether to go on at all; else what stands at ``output`` is begun anew.

    Yields:
        Folder of the result, folder of the checkpoints, whether a run goes on there.

    Raises:
        InputError: ``output`` holds an unfinished run of other settings, or of another process.
    """
    found = None
    if output is None and resume:
        folders = sorted(Path("saved_models").glob(f"{name}-*{_SUFFIX}"), reverse=True)
        found = next((f for f in folders if _saved(f) == settings and not _in_use(f)), None)
    if output is None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = found or Path("saved_models") / f"{name}-{stamp}{_SUFFIX}"
    else:
        folder = Path(output).with_name(Path(output).name + _SUFFIX)
        if folder.exists() and _in_use(folder):
            raise InputError(f"another process trains into {output}; give another --output")
        if folder.exists() and not resume:
            shutil.rmtree(folder)
        elif folder.exists():
            found = folder
            _check_same(folder, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        take_lock(lock)
        (folder / _SETTINGS).write_text(json.dumps(settings, indent=1))
        try:
            yield folder.with_name(folder.name.removesuffix(_SUFFIX)), folder, found is not None
        except BaseException:
            if not any(folder.rglob("checkpoint-*")):
                shutil.rmtree(folder, ignore_errors=True)
            raise
    shutil.rmtree(folder, ignore_errors=True)


def _saved(folder: Path) -> Any:
    try:
        return json.loads((folder / _SETTINGS).read_text())
    except (OSError, ValueError):
        return None


def _check_same(folder: Path, settings: Mapping[str, Any]) -> None:
    saved = _saved(folder)
    if saved is None:  # killed before it began
        return
    keys = [key for key in {**saved, **settings} if saved.get(key) != settings.get(key)]
    if keys:
        raise InputError(
            f"{folder} holds an unfinished run of another {', '.join(keys).replace('_', ' ')}; "
            "--no-resume discards it and begins anew, or give another --output"
        )


def _in_use(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("w") as lock:
            return not take_lock(lock)
    except OSError:
        return False
