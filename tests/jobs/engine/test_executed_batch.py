"""The dead letters of a batch, read from what its rows have been computed from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine import dead_letters
from jobs.engine.command_line import parse
from jobs.engine.executed_batch import ExecutedBatch, counted
from jobs.engine.pipeline import Pipeline, envelopes
from jobs.popular_products_recommendation import JOB
from sources.catalog import BROWSING, PURCHASE
from tests.jobs.engine.test_run import event, replay

ORDER = {"quantity": 1, "unit_price": 10}
Rows = Callable[[DataFrame, DataFrame], DataFrame]


def both(views: DataFrame, purchases: DataFrame) -> DataFrame:
    return views.select("event_time").union(purchases.select("event_time"))


def twice(views: DataFrame, purchases: DataFrame) -> DataFrame:
    return both(views, purchases).union(purchases.select("event_time"))


@pytest.mark.parametrize(("rows", "count"), [(both, 3), (twice, 4)])
def test_dead_letters_are_those_of_each_stream_and_nothing_is_read_again(
    spark: SparkSession, tmp_path: Path, rows: Rows, count: int
) -> None:
    """The files are gone by then: only what the exchange has written can tell."""
    flag = replay(tmp_path, BROWSING, [event("b", 0), b"no view", event("c", 0)])
    replay(tmp_path, PURCHASE, [b"no purchase", event("p", 0, **ORDER), b"nor this"])
    invocation = parse(JOB, [flag])
    good = Pipeline(invocation, envelopes(invocation.source, spark.readStream, invocation.streams)).good
    output = counted(rows(good[BROWSING.name], good[PURCHASE.name]))
    found: list[tuple[int, dict[str, int], list[tuple[str, int]]]] = []

    def write(batch: DataFrame, _: int) -> None:
        batch.write.format("noop").mode("overwrite").save()
        for file in (tmp_path / "replay").rglob("*.jsonl"):
            file.unlink()
        executed = ExecutedBatch(spark.streams.active[0], batch)
        dead = {stream: executed.dead(stream) for stream in (BROWSING.name, PURCHASE.name)}
        skew = invocation.options.max_future_skew
        letters = [one for name in dead for one in dead_letters.letters(executed.dead_letters(name), skew)]
        records = [(letter.record.stream, letter.record.offset) for letter in letters]
        found.append((executed.rows(), dead, sorted(records)))

    writer = output.writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "checkpoint"))
    writer.trigger(availableNow=True).start().awaitTermination()
    letters = [("browsing-stream", 1), ("purchase-stream", 0), ("purchase-stream", 2)]
    assert found[0] == (count, {"browsing-stream": 1, "purchase-stream": 2}, letters)
    assert all(dead == {"browsing-stream": 0, "purchase-stream": 0} for _, dead, _ in found[1:])
