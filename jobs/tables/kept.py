"""Frames that Spark keeps."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame


def kept(frame: DataFrame) -> DataFrame:
    """Return the frame, worked out now, kept in memory and on disk until it is unpersisted.

    It is never worked out again: the file that it came from may be another one by then. Where an executor is
    lost with a part of it, a batch fails.
    """
    frame.persist()
    kept: Any = frame.select("*")
    relation = kept._jdf.queryExecution().withCachedData().collectLeaves().head()
    relation.cacheBuilder().cachedColumnBuffers().localCheckpoint()
    frame.count()
    return frame
