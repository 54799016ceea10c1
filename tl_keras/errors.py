"""The one error that means: the input is at fault, and here is the remedy."""


class InputError(ValueError):
    """What the user gave cannot be used.

    The message is one line: what was given, what was expected, and what to do about it.  The
    command line prints it without a traceback and ends with exit code 2.

    Example:
        >>> raise InputError("photos/ holds one class only (ants); add a folder per class")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: photos/ holds one class only (ants); add a folder per class
    """

    def __init__(self, message: str = ""):
        # A file's name may hold a line break; the message stays one line.
        super().__init__(" ".join(str(message).splitlines()) if message else message)
