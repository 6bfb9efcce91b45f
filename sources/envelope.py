"""The canonical envelope: a message as a job sees it, whichever broker carried it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

ENVELOPE = StructType(
    [
        StructField("stream", StringType()),
        StructField("partition", LongType()),
        StructField("offset", LongType()),
        StructField("key", BinaryType()),
        StructField("value", BinaryType()),
        StructField("attributes", MapType(StringType(), ArrayType(BinaryType()))),
        StructField("published_at", TimestampType()),
        StructField("event_at", TimestampType()),
    ]
)
"""`published_at` is when the broker stamped the message, or the producer if the broker keeps no such time.
`event_at` is the producer's own time if the broker carries one, otherwise null. `attributes` is empty, not
null, for a message without any. All times are UTC."""


def conform(frame: DataFrame) -> DataFrame:
    """Return `frame` with exactly the envelope's columns, in its order and types.

    Raise ValueError naming the columns that are missing, which `DataFrame.to` would fill with nulls.
    """
    missing = [name for name in ENVELOPE.fieldNames() if name not in frame.columns]
    if missing:
        raise ValueError(f"not an envelope: {missing} missing; columns are {frame.columns}")
    return frame.select(*(frame[field.name].cast(field.dataType).alias(field.name) for field in ENVELOPE))
