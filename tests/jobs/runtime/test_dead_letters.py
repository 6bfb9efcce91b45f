"""The lines that dead letters are kept in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.runtime import dead_letters
from sources.envelope import ENVELOPE

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_base64_is_one_line(spark: SparkSession, tmp_path: Path) -> None:
    """Spark 3.5 ends a line after 76 characters, 57 bytes."""
    long = bytearray(b"\xff" + bytes(59))
    row = ("product-stream", 3, 17, long, long, {"trace": [long, None]}, NOON, NOON)
    letters = spark.createDataFrame([row], ENVELOPE).withColumn("reason", F.lit("value is not UTF-8"))
    dead_letters.write(letters, str(tmp_path), 0)
    (file,) = tmp_path.glob("batch=0/part-*")
    in_base64 = "/w" + "A" * 78
    kept = json.loads(file.read_text())
    assert kept | {"published_at": "", "event_at": ""} == {
        "reason": "value is not UTF-8",
        "stream": "product-stream",
        "partition": 3,
        "offset": 17,
        "key_base64": in_base64,
        "value_base64": in_base64,
        "attributes_base64": {"trace": [in_base64, None]},
        "published_at": "",
        "event_at": "",
    }
