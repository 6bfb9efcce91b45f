"""A micro-batch that is computed once, whatever reads it, and tells how many rows and dead letters it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class CachedBatch:
    """A batch of `pipeline.together`. `frame`: the batch, to read as often as needed.

    `builder`: Spark's CachedRDDBuilder of it.
    """

    frame: DataFrame
    builder: Any

    def compute(self) -> None:
        """Compute the batch, if nothing has read it yet.

        A write to nowhere would do the same by public means, and cost another query: analyzed, planned and
        told to every listener.
        """
        self.builder.cachedColumnBuffers().count()

    def counts(self) -> tuple[int, int]:
        """Return the number of its rows and of its dead letters, once it is computed."""
        metrics = self.builder.cachedPlan().collectedMetrics()
        return metrics.getLong(0), metrics.getLong(1)


@contextmanager
def cached(batch: DataFrame) -> Iterator[CachedBatch]:
    """Cache the batch within the block."""
    counted = batch.observe("counts", F.count("row").alias("rows"), F.count("dead_letter").alias("dead"))
    counted.persist()
    try:
        spark: Any = counted.sparkSession
        manager = spark._jsparkSession.sharedState().cacheManager()
        found = manager.lookupCachedData(counted._jdf).get()
        yield CachedBatch(counted, found.cachedRepresentation().cacheBuilder())
    finally:
        counted.unpersist()
