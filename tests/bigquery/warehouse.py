"""The stand-in's datasets and tables, kept in DuckDB, and BigQuery's SQL over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import duckdb
import pyarrow
import sqlglot

from dataproc_emulator.errors import ApiError

PROJECT = "shop"
TYPES = {
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "INT64": "BIGINT",
    "NUMERIC": "DECIMAL(38, 9)",
    "TIMESTAMP": "TIMESTAMPTZ",
    "BOOLEAN": "BOOLEAN",
}


@dataclass(frozen=True)
class Table:
    """A table as the REST interface describes it; `resource` is what a client has sent."""

    dataset: str
    name: str
    resource: dict[str, Any] = field(compare=False)

    @property
    def columns(self) -> dict[str, str]:
        """Return the type of each column, as BigQuery calls it."""
        return {one["name"]: one["type"] for one in self.resource["schema"]["fields"]}

    @property
    def path(self) -> str:
        """Return the table's name in DuckDB."""
        return f'{PROJECT}."{self.dataset}"."{self.name}"'


class Warehouse:
    """The tables of one project."""

    def __init__(self, datasets: Iterable[str]) -> None:
        self._lock = RLock()
        self._tables: dict[tuple[str, str], Table] = {}
        self._datasets = set(datasets)
        self._duck = duckdb.connect()
        self._duck.execute("SET TimeZone = 'UTC'")
        self._duck.execute(f"ATTACH ':memory:' AS {PROJECT}")
        for dataset in self._datasets:
            self._duck.execute(f"CREATE SCHEMA {PROJECT}.{dataset}")

    def require_dataset(self, project: str, dataset: str) -> None:
        """Raise ApiError if the dataset does not exist."""
        if project != PROJECT or dataset not in self._datasets:
            raise ApiError("NOT_FOUND", f"Not found: Dataset {project}:{dataset}")

    def table(self, project: str, dataset: str, name: str) -> Table:
        """Return the table; raise ApiError if it does not exist."""
        self.require_dataset(project, dataset)
        with self._lock:
            if found := self._tables.get((dataset, name)):
                return found
        raise ApiError("NOT_FOUND", f"Not found: Table {project}:{dataset}.{name}")

    def names(self) -> list[str]:
        """Return `DATASET.TABLE` of all tables, sorted."""
        with self._lock:
            return sorted(".".join(at) for at in self._tables)

    def create(self, project: str, dataset: str, resource: dict[str, Any]) -> Table:
        """Create a table; raise ApiError if it already exists or the dataset does not."""
        self.require_dataset(project, dataset)
        name = resource["tableReference"]["tableId"]
        place = {"projectId": project, "datasetId": dataset, "tableId": name}
        table = Table(dataset, name, {**resource, "tableReference": place})
        with self._lock:
            if (dataset, table.name) in self._tables:
                raise ApiError("ALREADY_EXISTS", f"Already Exists: Table {project}:{dataset}.{table.name}")
            columns = ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in table.columns.items())
            self._duck.execute(f"CREATE TABLE {table.path} ({columns})")
            self._tables[dataset, table.name] = table
        return table

    def delete(self, table: Table) -> None:
        """Delete the table with its rows."""
        with self._lock:
            self._duck.execute(f"DROP TABLE {table.path}")
            del self._tables[table.dataset, table.name]

    def insert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Add all rows or none, with values in the order of the columns."""
        marks = ", ".join("?" for _ in table.columns)
        with self._lock:
            self._duck.execute("BEGIN")
            for row in rows:
                self._duck.execute(f"INSERT INTO {table.path} VALUES ({marks})", list(row))
            self._duck.execute("COMMIT")

    def rows(self, table: Table, columns: Sequence[str] = (), where: str = "") -> pyarrow.Table:
        """Return these columns (none: all) of the current rows for which BigQuery's `where` holds."""
        chosen = ", ".join(f"`{name}`" for name in columns or table.columns)
        query = f"SELECT {chosen} FROM `{PROJECT}.{table.dataset}.{table.name}` WHERE {where or 'TRUE'}"
        with self._lock:
            return self._duck.sql(_transpiled(query)).to_arrow_table()

    def count(self, table: Table) -> int:
        """Return the number of rows in the table."""
        return int(self.rows(table).num_rows)

    def check(self, sql: str) -> None:
        """Raise ApiError if a query in BigQuery's dialect could not run."""
        with self._lock, _refused():
            self._duck.sql(_transpiled(sql))

    def run(self, sql: str) -> int:
        """Run a statement in BigQuery's dialect and return the number of rows changed.

        Raise ApiError if it fails.
        """
        with self._lock, _refused():
            return int(self._duck.execute(_transpiled(sql)).fetchall()[0][0])

    def close(self) -> None:
        """Drop everything."""
        self._duck.close()


def _transpiled(sql: str) -> str:
    """Return BigQuery's statement in DuckDB's dialect."""
    (statement,) = sqlglot.transpile(sql, read="bigquery", write="duckdb")
    return statement


@contextmanager
def _refused() -> Iterator[None]:
    """Report what cannot be run as the service would."""
    try:
        yield
    except (sqlglot.ParseError, duckdb.Error) as error:
        raise ApiError("INVALID_ARGUMENT", str(error)) from None
