"""A micro-batch that is computed once, whatever reads it, and tells how many rows and dead letters it has."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_METRICS = "counts"


class CachedBatch:
    """A batch of `pipeline.together`, cached within a `with` block.

    `frame`: the batch, to read as often as needed.
    """

    def __init__(self, batch: DataFrame) -> None:
        self.frame = batch.observe(
            _METRICS, F.count("row").alias("rows"), F.count("dead_letter").alias("dead")
        )

    def __enter__(self) -> Self:
        self.frame.persist()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.frame.unpersist()

    def counts(self) -> tuple[int, int]:
        """Compute the batch, and return the number of its rows and of its dead letters.

        A write to nowhere would do the same by public means, and cost another query: analyzed, planned and
        told to every listener.
        """
        spark: Any = self.frame.sparkSession
        manager = spark._jsparkSession.sharedState().cacheManager()
        cached = manager.lookupCachedData(self.frame._jdf).get().cachedRepresentation().cacheBuilder()
        cached.cachedColumnBuffers().count()
        metrics = cached.cachedPlan().collectedMetrics()
        return metrics.getLong(0), metrics.getLong(1)
