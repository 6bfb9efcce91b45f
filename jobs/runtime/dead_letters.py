"""Dead letters: what is no event, kept with the reason, as lines that `--source replay` can read again."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def write(dead_letters: DataFrame, folder: str, batch: int) -> None:
    """Write a batch's dead letters (`events.dead_letters`) to `folder/batch=N`, replacing what is there.

    One file; a line is a replay record (`sources/replay_files.py`) with a `reason` besides.
    """
    lines = dead_letters.select(F.to_json(_record()).alias("value"))
    lines.coalesce(1).write.mode("overwrite").text(f"{folder}/batch={batch}")


def _record() -> Column:
    return F.struct(
        "reason",
        "stream",
        "partition",
        "offset",
        *_text_or_base64("key"),
        *_text_or_base64("value"),
        _attributes().alias("attributes_base64"),
        _rfc_3339("published_at"),
        _rfc_3339("event_at"),
    )


def _text_or_base64(name: str) -> tuple[Column, Column]:
    text = F.decode(name, "UTF-8")
    is_text = F.encode(text, "UTF-8") == F.col(name)
    return (
        F.when(is_text, text).alias(name),
        F.when(~is_text, _base64(F.col(name))).alias(f"{name}_base64"),
    )


def _attributes() -> Column:
    return F.transform_values("attributes", lambda _, values: F.transform(values, _base64))


def _base64(value: Column) -> Column:
    """Return the value in base64 in one line; Spark 3.5 ends a line after 76 characters."""
    return F.translate(F.base64(value), "\r\n", "")


def _rfc_3339(name: str) -> Column:
    return F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").alias(name)
