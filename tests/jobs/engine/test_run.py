"""A run as a user meets it: a fault is reported in one line, and a job stops, continues and recovers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.run import run
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources import kafka
from sources.base import Message, Record
from sources.catalog import BROWSING, PRODUCT, Stream
from sources.kafka.options import KafkaOptions
from sources.replay import files as replay_files
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess
from tests.support.publishing import publish_all

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """Run a broker for this module alone: its tests create and delete the streams' topics."""
    with KafkaBroker() as own:
        yield own


def event(name: str, minute: float, **fields: object) -> bytes:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    return json.dumps(
        {"event_id": name, "user_id": "ann", "product_id": "mug", "event_time": at, **fields}
    ).encode()


def replay(folder: Path, stream: Stream, *batches: list[bytes]) -> str:
    """Write files of these messages, one per micro-batch, published at noon; return the flag for them."""
    offset = 0
    for number, batch in enumerate(batches, 1):
        records = [
            Record(stream.name, b"ann", value, NOON, {}, 0, offset + at, NOON)
            for at, value in enumerate(batch)
        ]
        offset += len(batch)
        replay_files.write(folder / "replay" / stream.name / f"{number:04}.jsonl", records)
    return f"--replay-dir={folder / 'replay'}"


def places(folder: Path) -> list[str]:
    return [f"--checkpoint-root={folder / 'checkpoints'}", "--sink=parquet", f"--sink-path={folder / 'rows'}"]


def rows(spark: SparkSession, folder: Path) -> list[tuple[object, ...]]:
    frame = spark.read.parquet(str(folder / "rows")).selectExpr(
        "date_format(window_start, 'HH:mm') as start", "key", "events"
    )
    return sorted(tuple(row) for row in frame.collect())


def test_an_event_from_the_future_does_not_silence_those_after_it(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a guard, the event of 2037 moves the watermark there, and all that follow are late forever."""
    poison = event("x", 0).replace(b"2026", b"2037")
    files = replay(
        tmp_path, BROWSING, [event("a", 0), poison], [event("b", 1), event("c", 1.5)], [event("d", 3)]
    )
    assert run(ACTIVITY, [files, *places(tmp_path)]) == 0
    assert rows(spark, tmp_path) == [("12:00", "mug", 1), ("12:01", "mug", 2)]
    assert "total_in=5 total_out=2 total_late=0 total_dead=1" in capsys.readouterr().err


def test_dead_letters_are_kept_and_can_be_replayed(spark: SparkSession, tmp_path: Path) -> None:
    files = replay(tmp_path, BROWSING, [b"\xff\x00", event("a", 0)], [event("b", 2)])
    assert run(ACTIVITY, [files, *places(tmp_path), f"--dead-letter-dir={tmp_path / 'dead'}"]) == 0
    (file,) = (tmp_path / "dead").glob("product_activity_windows/replay/*/batch=0/part-*.txt")
    assert json.loads(file.read_text())["reason"] == r"value is not UTF-8: \ufffd\u0000"
    (letter,) = replay_files.parse(file, file.read_bytes(), BROWSING.name)
    assert (letter.value, letter.key, letter.offset, letter.published_at) == (b"\xff\x00", b"ann", 0, NOON)


def test_it_says_why_nothing_comes_out(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = replay(tmp_path, BROWSING, [event("a", 0)], [event("b", 0.5)])
    assert run(ACTIVITY, [files, *places(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "batch=0 in=1 out=0" in said
    assert 'waiting="there is no watermark before the second batch with events"' in said
    assert (
        'waiting="windows that end at 2026-01-01T12:00:00Z or later are not final: '
        'that one comes out after an event of 2026-01-01T12:00:10Z or later"' in said
    )


def test_a_batch_that_comes_again_after_a_crash_counts_once(spark: SparkSession, tmp_path: Path) -> None:
    """Leave the last batch with rows uncommitted, as a crash between the sink's write and the commit does."""
    command = [replay(tmp_path, BROWSING, [event("a", 0)], [event("b", 2)]), *places(tmp_path)]
    assert run(ACTIVITY, command) == 0
    assert rows(spark, tmp_path) == [("12:00", "mug", 1)]
    commits = tmp_path / "checkpoints" / "product_activity_windows" / "replay" / "commits"
    last = max(int(file.name) for file in commits.iterdir() if file.name.isdecimal())
    for name in (str(last), f".{last}.crc"):
        (commits / name).unlink(missing_ok=True)
    assert run(ACTIVITY, command) == 0
    assert (commits / str(last)).exists()
    assert rows(spark, tmp_path) == [("12:00", "mug", 1)]


FAULTS = {
    "no such table": (["--discounts=nowhere.csv"], "nowhere.csv: cannot be read"),
    "occupied sink": (
        ["--sink=parquet", "--sink-path={occupied}"],
        "already holds rows, but the checkpoint is new",
    ),
    "sink not writable": (["--sink=parquet", "--sink-path={file}/rows"], "/file/rows: cannot be written"),
    "sink without a path": (["--sink=delta"], "--sink-path is not given; --sink delta needs it"),
    "checkpoint not writable": (["--checkpoint-root={file}"], "cannot be written"),
    "dead letters not writable": (
        ["--dead-letter-dir={file}"],
        "--dead-letter-dir {file}: cannot be written",
    ),
    "no replay files": (["--replay-dir={tmp}"], "product-stream: no such folder"),
    "broker not reachable": (
        ["--source=kafka", "--kafka-bootstrap-servers=127.0.0.1:1"],
        "--kafka-bootstrap-servers 127.0.0.1:1: ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_work_is_said_at_the_start_in_one_line(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    flags, said = FAULTS[fault]
    (tmp_path / "file").write_text("")
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "rows").write_text("")
    known = {"tmp": str(tmp_path), "file": str(tmp_path / "file"), "occupied": str(tmp_path / "occupied")}
    begun = time.monotonic()
    code = run(DISCOUNTS, [f"--checkpoint-root={tmp_path / 'c'}", *(flag.format(**known) for flag in flags)])
    error = capsys.readouterr().err
    assert code == 1
    assert said.format(**known) in error
    assert (error.count("\n"), error.split(":")[0]) == (1, "streaming_product_discounts")
    assert time.monotonic() - begun < 60


def test_rows_without_a_column_that_the_job_must_give_are_refused_at_the_start(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [replay(tmp_path, BROWSING, [event("a", 0)]), *places(tmp_path)]
    faulty = replace(ACTIVITY, rows=lambda inputs: ACTIVITY.rows(inputs).drop("window_end", "key"))
    assert run(faulty, flags) == 1
    assert capsys.readouterr().err == (
        "product_activity_windows: the job's rows lack window_end, key; expected the window's bounds and the "
        "job's key: window_start, window_end, key; remedy: select them in the job's `rows`\n"
    )
    assert not (tmp_path / "rows").exists()


def test_a_topic_made_anew_under_an_old_checkpoint_is_refused(
    spark: SparkSession, tmp_path: Path, broker: KafkaBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    source = [
        "--source=kafka",
        f"--kafka-bootstrap-servers={broker.bootstrap}",
        "--trigger=available-now",
    ]
    command = [*source, *places(tmp_path), "--stream=browsing-stream"]
    assert run(ACTIVITY, command) == 1
    assert "no topic 'browsing-stream-topic'" in capsys.readouterr().err
    broker.create_topic(BROWSING.topic, partitions=2)
    assert run(ACTIVITY, command) == 0
    broker.delete_topic(BROWSING.topic)
    broker.create_topic(BROWSING.topic, partitions=2)
    capsys.readouterr()
    assert run(ACTIVITY, command) == 1
    error = capsys.readouterr().err
    assert "browsing-stream was recreated (id was " in error
    assert "twinstream reset product_activity_windows --source kafka" in error


def publish(broker: KafkaBroker, *values: bytes) -> None:
    options = KafkaOptions(broker.bootstrap)
    publish_all(kafka, options, [Message(PRODUCT.name, b"ann", value, NOON) for value in values])


def test_a_changed_table_is_taken_up_and_sigterm_ends_the_run_well(
    spark: SparkSession, tmp_path: Path, broker: KafkaBroker
) -> None:
    broker.create_topic(PRODUCT.topic, partitions=1)
    table = tmp_path / "discounts.csv"
    table.write_text("user_id,product_id,discount_percent\nann,mug,10\n")
    flags = [f"--kafka-bootstrap-servers={broker.bootstrap}", f"--discounts={table}", *places(tmp_path)]
    with JobProcess(DISCOUNTS.name, "--source=kafka", *flags) as job:
        order = {"quantity": 1, "unit_price": 10}
        publish(broker, event("a", 0, **order))
        job.wait_for(r" batch=0 in=1 ")
        table.write_text("user_id,product_id,discount_percent\nann,mug,101\n")
        job.wait_for(r"line 2, column discount_percent: '101', expected .*; the table as it was stays in use")
        table.write_text("user_id,product_id,discount_percent\nann,mug,20\n")
        job.wait_for(r"table=changed")
        publish(broker, event("b", 0.1, **order))
        job.wait_for(r" batch=\d+ in=1 ")
        publish(broker, event("c", 5, **order))
        job.wait_for(r" out=1 ")
        job.terminate()
        assert job.wait() == 0
        assert "total_in=3 total_out=1 total_late=0 total_dead=0" in job.lines[-1]
    row = spark.read.parquet(str(tmp_path / "rows")).collect()[0]
    assert (row.orders, row.discounted_orders, str(row.discount_amount)) == (2, 2, "3.00")
