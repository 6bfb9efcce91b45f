"""Discounts as Spark rows: `PLAIN` while they are computed, `SCHEMA` as jobs take them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.tables.discounts_csv import BEGINNING, END, Discount
from jobs.tables.local_rows import local_rows
from sources.instants import EPOCH, MICROSECOND

SCHEMA = (
    "user_id string, product_id string, discount_percent decimal(5,2),"
    " valid_from timestamp, valid_until timestamp"
)
PLAIN = ("user_id", "product_id", "percent", "starts", "ends")
"""`percent decimal(5,2)`; `starts` and `ends` are microseconds since 1970, `FIRST` and `LAST` if open."""
FIRST, LAST = ((bound - EPOCH) // MICROSECOND for bound in (BEGINNING, END))


def literal(spark: SparkSession, discounts: Iterable[Discount]) -> DataFrame:
    """Return the discounts as literal `PLAIN` rows."""
    rows = (
        (one.user_id, one.product_id, f"{one.percent:f}", _micros(one.valid_from), _micros(one.valid_until))
        for one in discounts
    )
    schema = "user_id string, product_id string, percent string, starts bigint, ends bigint"
    texts = local_rows(spark, rows, schema)
    return texts.withColumn("percent", F.col("percent").cast("decimal(5,2)"))


def timed(plain: DataFrame) -> DataFrame:
    """Return `PLAIN` rows as `SCHEMA`, in which an open end of validity is null."""
    return plain.select(
        "user_id",
        "product_id",
        F.col("percent").alias("discount_percent"),
        _time("starts", FIRST).alias("valid_from"),
        _time("ends", LAST).alias("valid_until"),
    )


def _micros(bound: datetime) -> int:
    return (bound - EPOCH) // MICROSECOND


def _time(micros: str, when_open: int) -> Column:
    return F.when(F.col(micros) != when_open, F.timestamp_micros(micros))
