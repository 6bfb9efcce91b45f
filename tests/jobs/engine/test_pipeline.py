"""The streams that a query reads, and the late events of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.command_line import parse
from jobs.engine.pipeline import Pipeline, envelopes, reads
from jobs.engine.run import run
from jobs.popular_products_recommendation import JOB as RECOMMENDATION
from sources.catalog import BROWSING, PURCHASE
from tests.jobs.engine.test_run import event, replay


def test_a_query_reads_its_streams_in_the_order_of_its_plan(spark: SparkSession, tmp_path: Path) -> None:
    files = replay(tmp_path, BROWSING, [event("b", 0)])
    replay(tmp_path, PURCHASE, [event("p", 0, quantity=1, unit_price=10)])
    made = parse(RECOMMENDATION, [files])
    pipeline = Pipeline(made, envelopes(made.source, spark.readStream, made.streams))
    assert reads(pipeline.rows({})) == ("purchase-stream", "browsing-stream")
    again = pipeline.good["purchase-stream"].select("event_id")
    assert reads(again.union(again)) == ("purchase-stream", "purchase-stream")


def test_late_events_are_told_by_stream(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The third batch of views has two late ones, of purchases one; each has had one batch more."""
    order = {"quantity": 1, "unit_price": 10}
    late = [event("b-late", 0), event("b-late-too", 1)]
    files = replay(tmp_path, BROWSING, [event("b0", 8)], [event("b1", 9)], late)
    purchases = [event("p0", 8, **order)], [event("p1", 9, **order)], [event("p-late", 0, **order)]
    replay(tmp_path, PURCHASE, *purchases)
    assert run(RECOMMENDATION, [files, f"--checkpoint-root={tmp_path / 'checkpoints'}"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "late_by_stream" in line]
    assert len(told) == 1
    assert "late=3 " in told[0]
    assert 'late_by_stream="1 of purchase-stream, 2 of browsing-stream"' in told[0]
