"""One fresh process after the other: nothing that a run leaves behind reaches the next."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tl_keras.errors import InputError


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new Python process and wait for what it returns.

    A framework gives neither memory, nor devices, nor hidden random states back before its process
    ends.  The new process begins with nothing of this one but its environment, and ends when this
    one does, however that ends.  What it prints goes where this one's prints go.

    Args:
        function: Of a module, importable by its name.
        arguments: Of it; they and the result are sent through a pipe.

    Returns:
        What the function returned.

    Raises:
        InputError: The function raised one.
        KeyboardInterrupt: Ctrl-C was pressed; the process was given the time to end by itself,
            until it was pressed again.
        RuntimeError: The process died, or the function raised anything else; its traceback stands
            on standard error.

    Example:
        >>> import math
        >>> in_fresh_process(math.sqrt, 9.0)  # doctest: +SKIP
        3.0
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(sender, function, arguments))
    process.start()
    sender.close()
    interrupted = False
    while True:
        try:
            try:
                kind, value = receiver.recv()
            except EOFError:
                kind, value = "died", None
            process.join()
            break
        except KeyboardInterrupt:
            # A terminal sends Ctrl-C to both: the process is ending its work as we wait.
            if interrupted:
                process.terminate()
            interrupted = True
    if interrupted or kind == "interrupted":
        raise KeyboardInterrupt
    if kind == "input":
        raise InputError(value)
    if kind == "died":
        raise RuntimeError(f"the process ended with exit code {process.exitcode}")
    return value


def _call(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sender.send(("done", function(*arguments)))
    except InputError as problem:
        sender.send(("input", str(problem)))
    except KeyboardInterrupt:
        sender.send(("interrupted", None))


def _end_with_parent() -> None:
    # An orphan would go on writing into the folder that the next run of the command takes over.
    multiprocessing.parent_process().join()
    os._exit(1)
