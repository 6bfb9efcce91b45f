"""A message's own time in the header `pubsublite.event_time`, as Google's clients write it.

With `MessagingBackend.MANAGED_KAFKA`, Google's Pub/Sub Lite clients write seconds since 1970, and Go's and
Python's nine digits of nanoseconds behind a point (cloud.google.com/go/pubsublite v1.10.0,
internal/wire/kafka_publisher.go). So does the emulator over Kafka; it leaves the header empty for a message
that has no time of its own.
"""

from __future__ import annotations

import re
from datetime import datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

from sources.instants import EPOCH, MICROSECOND

HEADER = "pubsublite.event_time"
_SECONDS, _FRACTION = "-?[0-9]{1,12}", "[0-9]{1,9}"
_TEXT = f"^({_SECONDS})(?:\\.({_FRACTION}))?"
# The years 1 to 9999, the range of google.protobuf.Timestamp.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799


def read(header: bytes | None) -> datetime | None:
    """Return the time in a header's value, truncated to the microsecond; None if it holds no time."""
    found = re.fullmatch(_TEXT, (header or b"").decode("latin-1"))
    if found is None or not _FIRST <= int(found[1]) <= _LAST:
        return None
    return EPOCH + (int(found[1]) * 1_000_000 + int((found[2] or "").ljust(6, "0")[:6])) * MICROSECOND


def column(header: Column) -> Column:
    """Return `read` of a binary column, as a timestamp."""
    text, layout = header.cast("string"), _TEXT + "\\z"
    seconds = F.regexp_extract(text, layout, 1)
    fraction = F.rpad(F.regexp_extract(text, layout, 2), 6, "0")
    count = seconds.cast("bigint")
    micros = F.timestamp_micros(count * 1_000_000 + fraction.cast("bigint"))
    return F.when(text.rlike(layout), F.when(count.between(_FIRST, _LAST), micros))
