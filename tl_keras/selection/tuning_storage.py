"""Where the trials of a search are written: a file, or a database that several machines share."""

import importlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError

FILE = "study.log"
# Of a shared database: a trial whose process gave no sign of life for so long is repeated.
_HEARTBEAT_SECONDS = 15
_SILENT_SECONDS = 60


def optuna_here() -> Any:
    """Optuna, which says nothing while it works.

    Raises:
        InputError: It is not installed.
    """
    try:
        optuna = importlib.import_module("optuna")
    except ModuleNotFoundError:
        raise InputError("tuning needs Optuna; pip install 'tl-keras[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(folder: Path, url: str | None, again: Callable[[Any, Any], None]) -> Any:
    """Optuna's storage.

    Args:
        folder: Where the file lies.
        url: Of a database, as SQLAlchemy reads it; None: the file.
        again: From study and trial: what to do with one of a database whose process fell silent.

    Raises:
        InputError: It cannot be opened.
    """
    storages = optuna_here().storages
    if url is not None:
        return _database(storages, url, again)
    from optuna.storages.journal import JournalFileBackend

    file = folder / FILE
    try:
        return storages.JournalStorage(JournalFileBackend(str(file)))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the study {file} cannot be used: {first_line(error)}; give another --output"
        ) from None


def shown_url(url: str) -> str:
    """A database's address without its password.

    Example:
        >>> shown_url("postgresql://me:secret@host/db")
        'postgresql://me:***@host/db'
    """
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)


def first_line(error: BaseException) -> str:
    """What an error, or that behind it, says first."""
    cause = error.__cause__ or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


def _database(storages: Any, url: str, again: Callable[[Any, Any], None]) -> Any:
    from sqlalchemy.exc import SQLAlchemyError

    # Of SQLAlchemy's drivers, the one that the rest of this package uses.
    named = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    problem = ""
    for _ in range(3):  # two processes that make the tables at once disturb each other
        try:
            return storages.RDBStorage(
                named,
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=_HEARTBEAT_SECONDS,
                grace_period=_SILENT_SECONDS,
                heartbeat_stale_trial_callback=again,
            )
        except (ImportError, SQLAlchemyError) as error:
            problem = first_line(error)
            time.sleep(0.5)
    raise InputError(
        f"the database {shown_url(url)} cannot be opened: {problem.replace(url, shown_url(url))}; "
        "give such as postgresql://user:password@host/name (pip install 'tl-keras[postgres]'), or "
        "leave it out for a file"
    )
