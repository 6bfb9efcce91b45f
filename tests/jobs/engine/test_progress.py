"""A run's output: counts from Spark's report, lines for people and log collectors, why no row came out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from pyspark.sql.streaming.listener import QueryIdleEvent, QueryStartedEvent

from jobs.engine.job import Emission
from jobs.engine.progress import Batch, Counts, Progress, logfmt, read
from jobs.engine.progress_file import ProgressFile

REPORT: dict[str, Any] = {
    "batchId": 7,
    "numInputRows": 251,
    "durationMs": {"triggerExecution": 1250},
    "eventTime": {"watermark": "2026-01-01T12:00:49.500Z", "max": "2026-01-01T12:01:02Z"},
    "stateOperators": [
        {"operatorName": "stateStoreSave", "numRowsTotal": 91, "numRowsDroppedByWatermark": 5},
        {"operatorName": "dedupeWithinWatermark", "numRowsTotal": 250, "numRowsDroppedByWatermark": 3},
        {"operatorName": "dedupeWithinWatermark", "numRowsTotal": 10, "numRowsDroppedByWatermark": 1},
    ],
    "sources": [{"description": "A", "numInputRows": 251}, {"description": "B", "numInputRows": 0}],
}
COUNTS = Counts(deduplicated=("views", "orders"))


def test_a_batch_is_read_from_sparks_report() -> None:
    assert read(REPORT, Counts({7: 12}, {7: 2}, ("views", "orders"))) == Batch(
        number=7,
        rows_in=251,
        rows_out=12,
        late={"views": 3, "orders": 1},
        dead=2,
        state_rows=351,
        seconds=1.25,
        watermark=datetime(2026, 1, 1, 12, 0, 49, 500_000, UTC),
        newest=datetime(2026, 1, 1, 12, 1, 2, tzinfo=UTC),
        silent=["B"],
        behind=False,
    )


def test_the_late_events_of_a_stream_that_is_read_twice_count_once() -> None:
    operators = [one | {"numRowsDroppedByWatermark": 3} for one in REPORT["stateOperators"]]
    counts = Counts(deduplicated=("views", "views"))
    assert read({**REPORT, "stateOperators": operators}, counts).late == {"views": 3}


def test_a_source_may_have_more_than_the_batch_took() -> None:
    some = {"description": "A", "numInputRows": 2, "metrics": {"maxOffsetsBehindLatest": "50"}}
    all_of_it = {"description": "B", "numInputRows": 2, "metrics": {"maxOffsetsBehindLatest": "0"}}
    for sources, behind in (([all_of_it, some], True), ([all_of_it], False)):
        assert read({**REPORT, "sources": sources}, COUNTS).behind is behind


@pytest.mark.parametrize(
    ("unread", "warned"), [([0, 0], 0), ([50, 0], 1), ([0, 50], 1), ([50, 50], 1)], ids=str
)
def test_late_events_are_explained_once_if_this_batch_or_the_last_left_messages_unread(
    capsys: pytest.CaptureFixture[str], unread: list[int], warned: int
) -> None:
    """The first batch has no late event, the second one has four."""
    progress = Progress("job", Counts(deduplicated=COUNTS.deduplicated), lambda _: "")
    in_time = [one | {"numRowsDroppedByWatermark": 0} for one in REPORT["stateOperators"]]
    for left, operators in zip(unread, (in_time, REPORT["stateOperators"]), strict=True):
        source = {"description": "A", "numInputRows": 2, "metrics": {"maxOffsetsBehindLatest": str(left)}}
        batch = json.dumps({**REPORT, "sources": [source], "stateOperators": operators})
        report: Any = SimpleNamespace(progress=SimpleNamespace(json=batch))
        progress.onQueryProgress(report)
    assert capsys.readouterr().err.count(" warning=") == warned


def test_the_watermark_of_1970_is_none() -> None:
    report = {**REPORT, "eventTime": {"watermark": "1970-01-01T00:00:00.000Z"}}
    assert read(report, COUNTS).watermark is None


def test_values_with_blanks_are_quoted_for_log_collectors() -> None:
    assert (
        logfmt({"a": 1, "b": "two words", "c": 'a "word"', "d": ""})
        == r'a=1 b="two words" c="a \"word\"" d=""'
    )


def test_no_value_forges_a_line_or_moves_the_cursor() -> None:
    assert (
        logfmt({"a": "x\ntime=now", "b": "\x1b[2J", "c": "\x7f\x9b\u202e", "d": "кружка"})
        == r'a="x\ntime=now" b="\u001b[2J" c="\u007f\u009b\u202e" d=кружка'
    )


def test_the_oldest_open_window_and_the_event_that_closes_it() -> None:
    watermark = datetime(2026, 1, 1, 12, 0, 49, tzinfo=UTC)
    minute = Emission("1 minute").open_window(watermark, "10 seconds")
    assert minute == (datetime(2026, 1, 1, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, 12, 1, 10, tzinfo=UTC))
    joined = Emission("10 minutes", after="30 minutes").open_window(watermark, "10 seconds")
    assert joined == (
        datetime(2026, 1, 1, 11, 40, tzinfo=UTC),
        datetime(2026, 1, 1, 11, 40, tzinfo=UTC) + timedelta(minutes=30, seconds=10),
    )


def test_how_far_back_a_window_looks_and_which_are_final() -> None:
    watermark = datetime(2026, 1, 1, 12, 0, 49, tzinfo=UTC)
    joined = Emission("10 minutes", after="30 minutes")
    assert (joined.look_back, joined.final(watermark)) == (
        timedelta(minutes=40),
        datetime(2026, 1, 1, 11, 30, tzinfo=UTC),
    )
    assert Emission("30 seconds", length="1 minute").look_back == timedelta(minutes=1)
    assert Emission("1 millisecond", after="5 minutes", length=None).look_back is None
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    finals = [Emission("1 minute").final(noon + timedelta(milliseconds=past)) for past in (0, 1)]
    assert finals == [noon - timedelta(minutes=1), noon]


def test_a_disk_that_is_full_is_told_and_ends_no_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ProgressFile(str(tmp_path / "progress"), "job")
    counts = Counts({7: 12}, deduplicated=COUNTS.deduplicated)
    progress = Progress("job", counts, lambda _: "", file)
    (tmp_path / "progress" / "job.jsonl").unlink()
    (tmp_path / "progress").rmdir()
    report: Any = SimpleNamespace(progress=SimpleNamespace(json=json.dumps(REPORT)))
    query, run = uuid4(), uuid4()
    progress.onQueryStarted(QueryStartedEvent(query, run, "job", "now"))
    progress.onQueryProgress(report)
    progress.onQueryIdle(QueryIdleEvent(query, run, "now"))
    said = [line.partition(" job=job ")[2] for line in capsys.readouterr().err.splitlines()]
    fault = f"""progress_file="[Errno 2] No such file or directory: '{tmp_path}/progress/job.jsonl'\""""
    assert said[1].startswith(
        "batch=7 in=251 out=12 late=4 dead=0 state_rows=351 watermark=2026-01-01T12:00:49"
    )
    assert [said[0], *said[2:]] == [fault] * 3
    progress.say_totals()
    assert "total_batches=1 total_in=251 total_out=12 total_late=4 total_dead=0" in capsys.readouterr().err
