"""A BigQuery table, accessed by Google's Spark connector and the Java client of BigQuery in its jar."""

from __future__ import annotations

import re
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine import files
from jobs.engine.sink import SinkError

NAME = re.compile(r"((?:[a-z0-9.-]+:)?[a-z][a-z0-9-]+\.)?\w+\.[\w-]+", re.ASCII)
TYPES = {
    "string": "STRING",
    "int": "INT64",
    "bigint": "INT64",
    "decimal": "NUMERIC",
    "timestamp": "TIMESTAMP",
}
PARTITIONED_BY = "window_start"
STAGED = timedelta(days=1)
"""Time after which BigQuery itself deletes a staging table that a crash has left behind."""


def table_name(text: str) -> str:
    """Validate a name of the form `DATASET.TABLE` or `PROJECT.DATASET.TABLE`."""
    if not NAME.fullmatch(text):
        raise ArgumentTypeError(f"{text!r}: expected DATASET.TABLE or PROJECT.DATASET.TABLE")
    return text


class BigQueryTable:
    """The table of that name, which need not exist; without a project, it is in the billed project.

    The billed project is the connector's `spark.datasource.bigquery.parentProject`, otherwise the project of
    the application default credentials, otherwise that of the name. Raise SinkError if there is none.
    """

    def __init__(self, spark: SparkSession, name: str) -> None:
        self._spark, self._given = spark, name
        self._sdk = spark._jvm.com.google.cloud.spark.bigquery.repackaged.com.google.cloud.bigquery  # type: ignore[union-attr]
        project, self._dataset, self._table = _parts(name)
        default = self._sdk.BigQueryOptions.getDefaultProjectId()
        self._payer = self._option("parentProject") or default or project
        self._project = project or self._payer
        self._client = self._connect()

    def __str__(self) -> str:
        return self._given

    def prove_writable(self) -> None:
        """Create a table next to this one, dry-run a query on it, delete it; raise SinkError on failure."""
        with self._refusals(
            f"; expected credentials that may write there and run queries in {self._payer}; remedy: gcloud "
            "auth application-default login, or roles/bigquery.dataEditor and roles/bigquery.jobUser for the "
            "account"
        ):
            dataset = self._sdk.DatasetId.of(self._project, self._dataset)
            if self._client.getDataset(dataset, self._no("BigQuery$DatasetOption")) is None:
                raise SinkError(
                    f"--sink-table {self}: project {self._project} has no dataset {self._dataset}",
                    expected="one",
                    remedy=f"bq mk --dataset {self._project}:{self._dataset}",
                )
            staged = self._stage({"probe": "STRING"})
            query = f"SELECT probe FROM `{self._path(staged)}`"  # noqa: S608 - a name that was checked
            dry = self._sdk.QueryJobConfiguration.newBuilder(query).setDryRun(True).build()
            self._client.create(self._sdk.JobInfo.of(dry), self._no("BigQuery$JobOption"))
            self._drop(staged)

    def there(self) -> bool:
        """Return whether the table exists."""
        return self._found() is not None

    def count(self) -> int:
        """Return the number of rows; 0 if the table does not exist."""
        found = self._found()
        return 0 if found is None else int(str(found.getNumRows()))

    def read(self) -> DataFrame:
        """Return the rows as they are now."""
        options = {"parentProject": self._payer, "enableReadSessionCaching": "false"}
        return self._spark.read.format("bigquery").options(**options).load(self._path(self._table))

    def make(self, rows: DataFrame) -> None:
        """Create the table for such rows, with daily partitions, if it does not exist.

        Raise SinkError if that fails, if the table lacks a column or has one of another type, or if the rows
        have a type that this sink does not write.
        """
        columns = _columns(rows)
        with self._refusals():
            found = self._found()
            if found is None:
                self._create(self._table, columns, partitioned=True)
                return
        fields = found.getDefinition().getSchema().getFields()
        there = {field.getName(): field.getType().getStandardType().name() for field in fields}
        if wrong := [name for name, kind in columns.items() if there.get(name) != kind]:
            is_now = ", ".join(f"{name} is {there.get(name, 'missing')}" for name in wrong)
            expected = ", ".join(f"{name} {columns[name]}" for name in wrong)
            raise SinkError(
                f"--sink-table {self}: {is_now}",
                expected=expected,
                remedy="another --sink-table, which is made as it must be, or alter this one",
            )

    def merge(self, rows: DataFrame, key: Sequence[str]) -> None:
        """Replace the rows with the same keys and insert the others, atomically; keys are never null.

        Raise SinkError, or the connector's own exception, whose innermost cause gives the reason.
        """
        columns, span = _columns(rows), _span(rows)
        with self._refusals():
            staged = self._stage(columns)
        # Each partition is a write stream, which costs half a second; a project may create 10,000 an hour.
        writer = rows.coalesce(1).write.format("bigquery").mode("append")
        writer.options(writeMethod="direct", parentProject=self._payer).save(self._path(staged))
        with self._refusals():
            self._query(self._statement(staged, list(columns), key, span))
            self._drop(staged)

    def _statement(self, staged: str, columns: list[str], key: Sequence[str], span: tuple[str, str]) -> str:
        first, last = span
        names = ", ".join(f"`{name}`" for name in columns)
        same = " AND ".join(f"old.`{name}` = new.`{name}`" for name in key)
        changes = ", ".join(f"`{name}` = new.`{name}`" for name in columns if name not in key)
        # Given constants, BigQuery reads and bills only the partitions of these days, not the whole table.
        days = f"old.`{PARTITIONED_BY}` BETWEEN TIMESTAMP '{first}+00' AND TIMESTAMP '{last}+00'"
        target, source = f"`{self._path(self._table)}` old", f"`{self._path(staged)}` new"
        insert = f"INSERT ({names}) VALUES ({names})"  # noqa: S608 - the job's own names
        return (
            f"MERGE INTO {target} USING {source} ON {same} AND {days}"
            f" WHEN MATCHED THEN UPDATE SET {changes} WHEN NOT MATCHED THEN {insert}"
        )

    def _connect(self) -> Any:
        if not self._payer:
            raise SinkError(
                f"--sink-table {self}: no project, and the credentials name none",
                expected="PROJECT.DATASET.TABLE",
                remedy="name it, or gcloud auth application-default login",
            )
        builder = self._sdk.BigQueryOptions.newBuilder().setProjectId(self._payer)
        if host := self._option("bigQueryHttpEndpoint"):
            builder.setHost(host)
        options = builder.build()
        if options.getCredentials() is None:
            raise SinkError(
                f"--sink-table {self}: no application default credentials",
                expected="an account's",
                remedy="gcloud auth application-default login",
            )
        return options.getService()

    @contextmanager
    def _refusals(self, advice: str = "") -> Iterator[None]:
        """Run the block and turn what Google's classes raise into a one-line SinkError."""
        try:
            yield
        except Py4JJavaError as error:
            raise SinkError(f"--sink-table {self}: {files.reason(error)}{advice}") from None

    def _option(self, name: str) -> str | None:
        """Return the connector's option of that name, None if Spark's configuration lacks it."""
        return self._spark.conf.get(f"spark.datasource.bigquery.{name}", None)

    def _found(self) -> Any:
        return self._client.getTable(self._id(self._table), self._no("BigQuery$TableOption"))

    def _stage(self, columns: dict[str, str]) -> str:
        """Create an empty table and return its name, new each time: an old driver may not be quite dead."""
        name = f"{self._table}_staging_{uuid4().hex}"
        self._create(name, columns)
        return name

    def _create(self, table: str, columns: dict[str, str], *, partitioned: bool = False) -> None:
        sdk = self._sdk
        kinds = {name: sdk.StandardSQLTypeName.valueOf(kind) for name, kind in columns.items()}
        fields = [sdk.Field.of(name, kind, self._no("Field")) for name, kind in kinds.items()]
        definition = sdk.StandardTableDefinition.newBuilder().setSchema(sdk.Schema.of(fields))
        if partitioned:
            day = sdk.TimePartitioning.newBuilder(sdk.TimePartitioning.Type.DAY)
            definition.setTimePartitioning(day.setField(PARTITIONED_BY).build())
        info = sdk.TableInfo.newBuilder(self._id(table), definition.build())
        if not partitioned:
            info.setExpirationTime(int((time.time() + STAGED.total_seconds()) * 1000))
        self._client.create(info.build(), self._no("BigQuery$TableOption"))

    def _drop(self, table: str) -> None:
        self._client.delete(self._id(table))

    def _query(self, sql: str) -> None:
        self._client.query(self._sdk.QueryJobConfiguration.of(sql), self._no("BigQuery$JobOption"))

    def _id(self, table: str) -> Any:
        return self._sdk.TableId.of(self._project, self._dataset, table)

    def _path(self, table: str) -> str:
        return f"{self._project}.{self._dataset}.{table}"

    def _no(self, kind: str) -> Any:
        """Return an empty Java array, because py4j does not support optional arguments."""
        gateway: Any = self._spark.sparkContext._gateway
        package: Any = self._sdk
        for part in kind.split("$"):
            package = getattr(package, part)
        return gateway.new_array(package, 0)


def _parts(name: str) -> tuple[str | None, str, str]:
    """Return project, dataset and table of a name that `table_name` has accepted."""
    project, _, dataset = name.rpartition(".")[0].rpartition(".")
    return project or None, dataset, name.rpartition(".")[2]


def _columns(rows: DataFrame) -> dict[str, str]:
    """Return BigQuery's type of each column; raise SinkError for a type that this sink does not write."""
    if others := [f"{name} is {kind}" for name, kind in rows.dtypes if _plain(kind) not in TYPES]:
        raise SinkError(
            f"--sink bigquery: {', '.join(others)}",
            expected=", ".join(TYPES),
            remedy="cast it in the job",
        )
    return {name: TYPES[_plain(kind)] for name, kind in rows.dtypes}


def _plain(kind: str) -> str:
    """Return a type without its parameters."""
    return kind.partition("(")[0]


def _span(rows: DataFrame) -> tuple[str, str]:
    """Return the starts of the first and the last window, in UTC."""
    bounds = (bound(PARTITIONED_BY).cast("string") for bound in (F.min, F.max))
    first, last = rows.agg(*bounds).collect()[0]
    return first, last
