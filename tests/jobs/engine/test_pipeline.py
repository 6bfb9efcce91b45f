"""The union that a query writes, and where its streams stand in Spark's offset log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.command_line import parse
from jobs.engine.pipeline import Pipeline, deduplicated, envelopes, positions_by_stream
from jobs.engine.run import run
from jobs.popular_products_recommendation import JOB as RECOMMENDATION
from sources.catalog import BROWSING, PURCHASE
from tests.jobs.engine.test_run import event, replay


def test_each_stream_stands_where_its_source_has_read_to(spark: SparkSession, tmp_path: Path) -> None:
    """Three files of the one stream and two of the other are a batch each: they end at offsets 2 and 1."""
    order = {"quantity": 1, "unit_price": 10}
    files = replay(tmp_path, BROWSING, *([event(f"b{n}", n)] for n in range(3)))
    replay(tmp_path, PURCHASE, *([event(f"p{n}", n, **order)] for n in range(2)))
    root = tmp_path / "checkpoints"
    assert run(RECOMMENDATION, [files, f"--checkpoint-root={root}"]) == 0
    log = root / RECOMMENDATION.name / "replay" / "offsets"
    newest = max((file for file in log.glob("[0-9]*")), key=lambda file: int(file.name))
    found = positions_by_stream(newest.read_text(), (BROWSING, PURCHASE))
    assert {name: json.loads(position)["logOffset"] for name, position in found.items()} == {
        "browsing-stream": 2,
        "purchase-stream": 1,
    }


def test_each_deduplication_is_its_streams(spark: SparkSession, tmp_path: Path) -> None:
    files = replay(tmp_path, BROWSING, [event("b", 0)])
    replay(tmp_path, PURCHASE, [event("p", 0, quantity=1, unit_price=10)])
    made = parse(RECOMMENDATION, [files])
    pipeline = Pipeline(made, envelopes(made.source, spark.readStream, made.streams))
    assert deduplicated(pipeline.rows({})) == ("purchase-stream", "browsing-stream")
    assert deduplicated(pipeline.dead) == ()
    again = pipeline.good["purchase-stream"].select("event_id")
    assert deduplicated(again.union(again)) == ("purchase-stream", "purchase-stream")


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


def test_a_stream_that_was_never_read_has_no_position() -> None:
    offsets = 'v1\n{"batchWatermarkMs":0}\n{"logOffset":4}\n-\n{"logOffset":4}\n-'
    assert positions_by_stream(offsets, (BROWSING, PURCHASE)) == {"browsing-stream": '{"logOffset":4}'}
