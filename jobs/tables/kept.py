"""Frames whose rows Spark keeps."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame


def kept(frame: DataFrame) -> DataFrame:
    """Compute the frame and return it, kept in memory and on disk until it is unpersisted.

    It is never recomputed, because the file that it came from may have been replaced by then. If an executor
    is lost with part of it, a batch fails.
    """
    frame.persist()
    kept: Any = frame.select("*")
    relation = kept._jdf.queryExecution().withCachedData().collectLeaves().head()
    relation.cacheBuilder().cachedColumnBuffers().localCheckpoint()
    frame.count()
    return frame
