"""PostgreSQL and pgvector by their own client: connections, errors, filters as SQL."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval.filters import Condition

_NAMES = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VERSION = (0, 8)  # of pgvector: from here on, a filtered scan goes on until it has enough


def import_client() -> tuple[Any, Any]:
    """The modules psycopg and pgvector.psycopg.

    Raises:
        InputError: One is not installed.

    Example:
        >>> import_client()[0].__name__  # doctest: +SKIP
        'psycopg'
    """
    try:
        import pgvector.psycopg
        import psycopg
    except ImportError as error:
        raise InputError(
            f"PostgreSQL needs its client ({error.name} is missing); install it with: "
            "pip install 'tl-keras[postgres]'"
        ) from None
    return psycopg, pgvector.psycopg


def as_array(vector: Any) -> np.ndarray:
    """A vector as pgvector's client hands it over, float32 (D,).

    Example:
        >>> as_array([1, 2]).tolist()
        [1.0, 2.0]
    """
    return np.asarray(vector.to_numpy() if hasattr(vector, "to_numpy") else vector, np.float32)


def connect(address: str) -> Any:
    """Connects, and sees to it that the database has pgvector.

    Args:
        address: As libpq takes it: ``"postgresql://user@host/database"``.

    Returns:
        A connection of psycopg, which commits every statement outside a transaction.

    Raises:
        InputError: No connection, or no pgvector that is new enough.

    Example:
        >>> connect("postgresql:///shop").closed  # doctest: +SKIP
        False
    """
    psycopg, pgvector = import_client()
    try:
        connection = psycopg.connect(address, autocommit=True)
    except psycopg.Error as error:  # of libpq; the address may hold a password
        raise InputError(f"no connection to PostgreSQL: {error}") from None
    try:
        with one_line(psycopg):
            found = connection.execute(
                "SELECT default_version, installed_version FROM pg_available_extensions "
                "WHERE name = 'vector'"
            ).fetchone()
            if found and not found[1]:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            version = found and (found[1] or found[0])
            if not version or tuple(map(int, version.split(".")[:2])) < _VERSION:
                raise InputError(
                    f"this PostgreSQL has pgvector {version or 'not at all'}, needed is "
                    f"{'.'.join(map(str, _VERSION))} or newer: https://github.com/pgvector/pgvector"
                )
            pgvector.register_vector(connection)
    except InputError:
        connection.close()
        raise
    return connection


@contextmanager
def one_line(psycopg: Any) -> Iterator[None]:
    """Within, what the server refuses is an :class:`InputError` of one line.

    Example:
        >>> with one_line(psycopg): ...  # doctest: +SKIP
    """
    try:
        yield
    except psycopg.Error as error:
        raise InputError(f"PostgreSQL: {error}") from None


def checked_name(name: str) -> str:
    """The name of an index, which becomes part of a table's.

    Raises:
        InputError: It holds anything but small letters, digits and underscores, or is too long.

    Example:
        >>> checked_name("shoes_2")
        'shoes_2'
    """
    if not isinstance(name, str) or not _NAMES.fullmatch(name):
        raise InputError(
            f"name {name!r} of an index: expected small letters, digits and underscores, a letter "
            "first, at most 40"
        )
    return name


def matching_sql(wanted: tuple[Condition, ...]) -> tuple[str, list[Any]]:
    """SQL that is true of the rows that satisfy all conditions, and its values.

    Means what :meth:`tl_keras.retrieval.filters.Condition.matches` means.

    Example:
        >>> matching_sql((Condition("price", None, (("<", 30),)),))[0]  # doctest: +SKIP
        'true AND jsonb_path_exists(metadata, %s::jsonpath, %s, true)'
    """
    psycopg, _ = import_client()
    jsonb = psycopg.types.json.Jsonb
    parts, values = ["true"], []
    for condition in wanted:
        if condition.allowed is not None:
            # Containment goes through the index on metadata; 1 and 1.0 are equal, 1 and true not.
            either = ["metadata @> %s"] * len(condition.allowed) or ["false"]
            parts.append(f"({' OR '.join(either)})")
            values += [jsonb({condition.name: value}) for value in condition.allowed]
            continue
        limits = {f"limit{n}": limit for n, (_, limit) in enumerate(condition.bounds)}
        checks = [f"@ {sign} $limit{n}" for n, (sign, _) in enumerate(condition.bounds)]
        # Strict, so that a list is not taken for its items; numbers compare with numbers alone.
        name = json.dumps(condition.name)
        parts.append("jsonb_path_exists(metadata, %s::jsonpath, %s, true)")
        values += [f"strict $.{name} ? ({' && '.join(checks)})", jsonb(limits)]
    return " AND ".join(parts), values
