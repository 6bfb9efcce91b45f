"""The union that a query writes, and where its streams stand in Spark's offset log."""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.engine.pipeline import positions_by_stream
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


def test_a_stream_that_was_never_read_has_no_position() -> None:
    offsets = 'v1\n{"batchWatermarkMs":0}\n{"logOffset":4}\n-\n{"logOffset":4}\n-'
    assert positions_by_stream(offsets, (BROWSING, PURCHASE)) == {"browsing-stream": '{"logOffset":4}'}
