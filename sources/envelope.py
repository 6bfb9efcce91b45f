"""The canonical envelope: what a job sees of a message, whatever broker carried it."""

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
"""`published_at`: when the broker or, where it keeps no such time, the producer stamped the message.
`event_at`: the producer's own time where the broker carries one, else null. `attributes` is empty, not null,
for a message without any. All times are UTC."""


def conform(frame: DataFrame) -> DataFrame:
    """`frame` with exactly the envelope's columns, in its order and types.

    Raises ValueError naming the columns that are missing: `DataFrame.to` would fill them with nulls.
    """
    missing = [name for name in ENVELOPE.fieldNames() if name not in frame.columns]
    if missing:
        raise ValueError(f"not an envelope: {missing} missing; columns are {frame.columns}")
    return frame.select(*(frame[field.name].cast(field.dataType).alias(field.name) for field in ENVELOPE))
