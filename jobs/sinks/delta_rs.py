"""A Delta table without Spark, by the package deltalake (delta-rs): small upserts and compaction.

A merge of ten rows takes Spark more than a second and delta-rs 50 ms. The package is optional: if it is
missing, or the table is not on this machine's disk, Spark does the same work and the rows are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine import files

LARGEST = 5_000
"""The most rows of an upsert that delta-rs is given: they pass through the driver's Python."""
RETENTION = timedelta(hours=1)
"""How long a superseded version of the table can be read."""


def place(spark: SparkSession, path: str) -> str | None:
    """Return the table's path on this machine's disk; None if it is elsewhere or deltalake is missing."""
    if find_spec("deltalake") is None or find_spec("pyarrow") is None:
        return None
    system, hadoop_path = files.file_system(spark, path)
    if system.getUri().getScheme() != "file":
        return None
    return str(system.makeQualified(hadoop_path).toUri().getPath())


def upsert(place: str, rows: DataFrame, key: Sequence[str]) -> bool:
    """Replace the rows with the same key, add the others, and return whether that was done.

    False means that there are too many rows, or a type that no job has, and nothing was written. The table at
    `place` has the columns of `rows`. In the key, null equals null.
    """
    found = _arrow(rows)
    if found is None:
        return False
    from deltalake import DeltaTable

    same = " and ".join(f'(old."{column}" is not distinct from new."{column}")' for column in key)
    merge = DeltaTable(place).merge(found, same, source_alias="new", target_alias="old", streamed_exec=False)
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    return True


def tidy(place: str) -> None:
    """Compact small files, delete those that no version of the last `RETENTION` uses, and shorten the log.

    A kill at any moment leaves a consistent table: each step is one commit or deletes what nobody reads.
    """
    from deltalake import DeltaTable

    table = DeltaTable(place)
    table.optimize.compact()
    hours = int(RETENTION / timedelta(hours=1))
    # In full, because the lite mode looks only at the log, which has forgotten those files by then.
    table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
    table.create_checkpoint()
    table.cleanup_metadata()


def _arrow(rows: DataFrame) -> Any | None:
    """Return the rows as an Arrow table; None if there are more than `LARGEST`, or a type that no job has.

    Times are transferred as microseconds, because a Row's datetime is in this machine's time zone.
    """
    import pyarrow as pa

    types = {"string": pa.string(), "int": pa.int32(), "bigint": pa.int64()}
    types["timestamp"] = pa.timestamp("us", "UTC")
    types |= {f"decimal({digits},2)": pa.decimal128(digits, 2) for digits in range(2, 39)}
    if not all(kind in types for _, kind in rows.dtypes):
        return None
    sent = [F.unix_micros(name) if kind == "timestamp" else F.col(name) for name, kind in rows.dtypes]
    found = rows.select(*sent).limit(LARGEST + 1).collect()
    if len(found) > LARGEST:
        return None
    columns = {}
    for at, (name, kind) in enumerate(rows.dtypes):
        values = [row[at] for row in found]
        columns[name] = pa.array(values, pa.int64() if kind == "timestamp" else types[kind]).cast(types[kind])
    return pa.table(columns)
