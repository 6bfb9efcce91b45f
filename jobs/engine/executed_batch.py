"""A micro-batch as Spark executes it: its counts, and the dead letters in the exchange that it leaves.

A query that returned its dead letters beside its rows would name every message twice in its plan, which Spark
makes again for each batch: a fifth of a small batch's time. So the query returns rows only, and where a batch
has dead letters, they are read from the exchange that its rows came through (`events.check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from jobs.engine import events

ROWS = "rows"
"""The metric that counts the rows of a batch."""


def counted(rows: DataFrame) -> DataFrame:
    """Return the rows of a query, counted while they are computed."""
    return rows.observe(ROWS, F.count(F.lit(1)).alias(ROWS))


@contextmanager
def computed(batch: DataFrame) -> Iterator[DataFrame]:
    """Return the batch, computed and kept, to be read as often as needed within the block.

    A write to nowhere would compute it by public means, and cost another query: analyzed, planned and told to
    every listener.
    """
    batch.persist()
    try:
        spark: Any = batch.sparkSession
        kept = spark._jsparkSession.sharedState().cacheManager().lookupCachedData(batch._jdf).get()
        kept.cachedRepresentation().cacheBuilder().cachedColumnBuffers().count()
        yield batch
    finally:
        batch.unpersist()


class ExecutedBatch:
    """The batch that a query has just executed: all its rows have been computed, once."""

    def __init__(self, query: StreamingQuery, batch: DataFrame) -> None:
        self._execution: Any = query._jsq.streamingQuery().lastExecution()
        self._spark = batch.sparkSession

    def rows(self) -> int:
        """Return the number of rows, if the query's are `counted`."""
        return self._count(ROWS)

    def dead(self, stream: str) -> int:
        """Return the number of dead letters of a stream that the query reads."""
        return self._count(events.dead_letter_metric(stream))

    def dead_letters(self, stream: str) -> DataFrame:
        """Return the dead letters of a stream that the query reads (`events.dead_letters`)."""
        spark: Any = self._spark
        exchange = _exchanges(self._execution.executedPlan())[events.dead_letter_metric(stream)]
        frame = spark._jsparkSession.internalCreateDataFrame(exchange.execute(), exchange.schema(), False)
        return events.dead_letters(DataFrame(frame, spark))

    def _count(self, metric: str) -> int:
        return int(self._execution.observedMetrics().get(metric).get().getLong(0))


def _exchanges(plan: Any) -> dict[str, Any]:
    """Return the plan's exchanges with dead letters, by the metric that counts them.

    A stream that a job reads twice may have two, with the same content.
    """
    exchanges = (node for node in _nodes(plan) if _is(node, "ShuffleExchangeExec"))
    return {
        next(below.name() for below in _nodes(exchange) if _is(below, "CollectMetricsExec")): exchange
        for exchange in exchanges
        if "dead_letter" in exchange.schema().fieldNames()
    }


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    children = plan.children()
    for number in range(children.size()):
        yield from _nodes(children.apply(number))


def _is(node: Any, operator: str) -> bool:
    return bool(node.getClass().getSimpleName() == operator)
