"""Rows that live in the JVM, because a frame from `createDataFrame` starts a Python worker in every batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def local_rows(spark: SparkSession, rows: Iterable[Sequence[str | int | None]], schema: str) -> DataFrame:
    """Return the rows as a frame of literal rows: a LocalTableScan in any plan, without a job or worker.

    Columns are `string`, `int` and `bigint`, which JSON carries without loss.
    """
    jvm: Any = spark._jvm
    session: Any = spark._jsparkSession
    java_schema = jvm.org.apache.spark.sql.types.StructType.fromDDL(schema)
    names = list(java_schema.fieldNames())
    text = json.dumps([dict(zip(names, row, strict=True)) for row in rows])
    # The text goes to Java in one piece: a call per row would take seconds for ten thousand rows.
    whole = DataFrame(session.createDataset([text], jvm.org.apache.spark.sql.Encoders.STRING()), spark)
    parsed: Any = whole.select(F.from_json("value", f"array<struct<{schema}>>"))
    java_rows = parsed._jdf.head().getList(0)
    return DataFrame(session.createDataFrame(java_rows, java_schema), spark)
