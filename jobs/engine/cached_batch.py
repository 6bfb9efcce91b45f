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

    def compute(self) -> None:
        """Compute the batch, if nothing has read it yet.

        A write to nowhere would do the same by public means, and cost another query: analyzed, planned and
        told to every listener.
        """
        self._builder().cachedColumnBuffers().count()

    def counts(self) -> tuple[int, int]:
        """Return the number of its rows and of its dead letters, once it is computed."""
        metrics = self._builder().cachedPlan().collectedMetrics()
        return metrics.getLong(0), metrics.getLong(1)

    def _builder(self) -> Any:
        """Return Spark's CachedRDDBuilder of the batch."""
        spark: Any = self.frame.sparkSession
        manager = spark._jsparkSession.sharedState().cacheManager()
        return manager.lookupCachedData(self.frame._jdf).get().cachedRepresentation().cacheBuilder()
