"""Conversions between the reference's plain values and Spark's frames."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from jobs.engine import dead_letters, events
from jobs.engine.dead_letters import DeadLetter
from sources.catalog import STREAMS
from sources.envelope import ENVELOPE
from tests.support.reference import Message, Offer, Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFERS = (
    "user_id string, product_id string, discount_percent decimal(5,2),"
    " valid_from timestamp, valid_until timestamp"
)


def envelopes(spark: SparkSession, stream: str, messages: Iterable[tuple[int, Message]]) -> DataFrame:
    """Return partitions and messages as a frame of envelopes."""
    rows: list[tuple[Any, ...]] = [
        (
            *(stream, partition, message.offset, None),
            *(None if message.value is None else bytearray(message.value), {}, message.published_at, None),
        )
        for partition, message in messages
    ]
    return spark.createDataFrame(rows, ENVELOPE)


def check(frame: DataFrame, stream: str, watermark: timedelta, skew: timedelta) -> DataFrame:
    """Run `events.check` with the reference's durations."""
    seconds = f"{watermark.total_seconds()} seconds"
    return events.check(frame, STREAMS[stream], watermark=seconds, max_future_skew=skew)


def letters(checked: DataFrame, skew: timedelta) -> list[DeadLetter]:
    """Return the dead letters in the result of `check`."""
    return list(dead_letters.letters(events.dead_letters(checked), skew))


def offers(spark: SparkSession, rows: Iterable[Offer]) -> DataFrame:
    """Return discounts in the form the jobs take; at most one row may be valid at any instant."""
    values = [(row.user_id, row.product_id, row.percent, row.valid_from, row.valid_until) for row in rows]
    return spark.createDataFrame(values, OFFERS)


def rows(frame: DataFrame) -> list[Row]:
    """Return a frame's rows as sorted plain tuples, with times in UTC whatever this machine's zone."""
    times = [field.name for field in frame.schema if isinstance(field.dataType, TimestampType)]
    plain = frame.select(*(F.unix_micros(c).alias(c) if c in times else F.col(c) for c in frame.columns))
    at = [frame.columns.index(name) for name in times]
    found = [tuple(_instant(v) if i in at else v for i, v in enumerate(row)) for row in plain.collect()]
    return sorted(found, key=lambda row: [(value is None, value) for value in row])


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)
