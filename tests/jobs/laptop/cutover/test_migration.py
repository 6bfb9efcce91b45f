"""One command line for two runs, and the point at which the second one starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.laptop.cutover.lite_progress import Batches, LiteProgress, batches
from jobs.laptop.cutover.migration import Migration, parse_migration
from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources.catalog import BROWSING, PRODUCT, PURCHASE
from sources.flags import Parser

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTHING = Batches(None, False, None, {})


def switched(job: Job[Any], *arguments: str) -> Migration:
    return parse_migration(job, Parser(prog="cutover"), arguments)


def test_each_run_takes_its_own_brokers_flags() -> None:
    made = switched(
        DISCOUNTS,
        *("--source", "pubsublite", "--pubsublite-project=1", "--kafka-bootstrap-servers", "k:1"),
        *("--sink=delta", "--sink-path=rows", "--window=2 minutes"),
    )
    old, new = made.old.source, made.new.source
    assert (old.name, old.options.pubsublite_project, made.old.own.window) == ("pubsublite", "1", "2 minutes")
    assert (new.name, new.options.kafka_bootstrap_servers) == ("kafka", "k:1")
    assert made.flags(NOON.replace(hour=11), NOON) == [
        "--source=kafka", "--kafka-bootstrap-servers=k:1", "--sink=delta", "--sink-path=rows",
        "--window=2 minutes", "--kafka-starting=2026-01-01T11:00:00Z", "--windows-after=2026-01-01T12:00:00Z",
    ]  # fmt: skip
    assert made.flags(None, None)[-1] == "--kafka-starting=earliest"
    assert made.old_checkpoint == ".checkpoints/streaming_product_discounts/pubsublite"
    assert made.new_checkpoint == ".checkpoints/streaming_product_discounts/kafka"


def test_a_kafka_sink_is_both_runs() -> None:
    made = switched(DISCOUNTS, "--kafka-bootstrap-servers=k:1", "--sink=kafka", "--sink-topic=t")
    assert [run.sink.options.kafka_bootstrap_servers for run in (made.old, made.new)] == ["k:1", "k:1"]


def test_parquet_goes_on_in_a_folder_of_its_own() -> None:
    made = switched(DISCOUNTS, "--sink=parquet", "--sink-path=rows")
    assert [run.sink.options.sink_path for run in (made.old, made.new)] == ["rows", "rows-kafka"]
    assert made.flags(None, None)[1:3] == ["--sink=parquet", "--sink-path=rows-kafka"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--kafka-starting=earliest", "--kafka-starting=earliest: is what this finds out"),
        ("--windows-after=2026-01-01T12:00:00Z", "is what this finds out"),
        ("--source=kafka", "--source=kafka: expected pubsublite, or nothing"),
        ("rows", "'rows': expected a flag, like --sink-path=FOLDER"),
        ("--sink-pth=rows", "unrecognized arguments: --sink-pth=rows; did you mean --sink-path?"),
    ],
)
def test_what_is_no_running_jobs_flag_is_code_2(
    capsys: pytest.CaptureFixture[str], given: str, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        switched(DISCOUNTS, given)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("job", "flags", "start"),
    [
        (DISCOUNTS, [], "11:49"),  # a one-minute window, and ten minutes ahead of the broker's clock
        (DISCOUNTS, ["--window=5 minutes", "--max-future-skew=1 minute"], "11:54"),
        (POPULAR, [], "11:10"),  # a ten-minute window, half an hour from view to purchase, and ten minutes
        (ACTIVITY, ["--window-type=sliding", "--slide=10 seconds"], "11:49"),
    ],
)
def test_the_new_run_starts_before_all_that_it_needs(job: Job[Any], flags: list[str], start: str) -> None:
    old = switched(job, "--sink=delta", *flags).old
    look_back, skew = job.emission(old.own).look_back, old.options.max_future_skew
    assert look_back is not None
    found = LiteProgress(NOTHING, (), NOON, "")
    assert f"{found.start(look_back, skew):%H:%M}" == start
    assert LiteProgress(NOTHING, (), None, "").start(look_back, skew) is None


def checkpoint(folder: Path, commits: int, offsets: int, lines: str) -> str:
    for log, last in (("commits", commits), ("offsets", offsets)):
        (folder / log).mkdir()
        for number in range(last + 1):
            (folder / log / str(number)).write_text(lines)
            (folder / log / f".{number}.crc").touch()
    return str(folder)


def test_a_checkpoint_says_watermark_and_offsets_of_its_last_committed_batch(
    spark: SparkSession, tmp_path: Path
) -> None:
    metadata = '{"batchWatermarkMs":1767268800000,"batchTimestampMs":1,"conf":{}}'
    lines = f'v1\n{metadata}\n{{"0":4,"1":-1}}\n{{"1":7,"0":9}}'
    reads = ["purchase-stream", "browsing-stream"]
    found = batches(spark, checkpoint(tmp_path, 10, 11, lines), (BROWSING, PURCHASE), reads)
    assert found == Batches(
        10, True, NOON, {"browsing-stream": {0: 10, 1: 8}, "purchase-stream": {0: 5, 1: 0}}
    )


def test_a_checkpoint_without_a_committed_batch_says_nothing(spark: SparkSession, tmp_path: Path) -> None:
    assert batches(spark, str(tmp_path / "none"), (PRODUCT,), []) == NOTHING
    found = batches(spark, checkpoint(tmp_path, -1, 0, "v1"), (PRODUCT,), [])
    assert found == Batches(None, True, None, {})
