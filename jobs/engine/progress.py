"""The log of a run: one line per batch that people can read and a log collector can parse (logfmt)."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from jobs.engine.progress_file import ProgressFile
from jobs.engine.terminal import printable

DEDUPLICATION = "dedupeWithinWatermark"
PACES = (
    "late events while this run catches up: --kafka-max-events-per-batch reads only part of each partition,"
    " and a partition that is further along in event time moves the watermark past events still unread in"
    " another; expected partitions that are equally far along; remedy: start over with a larger --watermark,"
    " or with a --kafka-max-events-per-batch above the backlog"
)
"""Logged once, as `warning`, when a batch has late events and it or the previous one left messages unread."""


@dataclass
class Counts:
    """Rows written and dead letters by batch, recorded where they are written.

    `deduplicated`: the stream of each deduplication (`pipeline.reads`).
    """

    out: dict[int, int] = field(default_factory=dict)
    dead: dict[int, int] = field(default_factory=dict)
    deduplicated: tuple[str, ...] = ()


@dataclass
class Totals:
    """A run's totals so far. `rows_in` counts messages, `late` the events dropped behind the watermark."""

    batches: int = 0
    rows_in: int = 0
    rows_out: int = 0
    late: int = 0
    dead: int = 0


@dataclass
class Batch:
    """The progress of one batch. `watermark` is None until there is one; times are UTC."""

    number: int
    rows_in: int
    rows_out: int
    late: dict[str, int]
    """By stream."""
    dead: int
    state_rows: int
    seconds: float
    watermark: datetime | None
    newest: datetime | None
    """The newest event time in the batch; None if it had no events."""
    silent: list[str]
    """Inputs that delivered nothing, as Spark describes them."""
    behind: bool
    """Whether the batch left messages unread; only Kafka reports this."""


def read(progress: dict[str, Any], counts: Counts) -> Batch:
    """Return a batch from Spark's report on it.

    Late events are those that deduplication drops. It is the first operator to see the watermark, and there
    each event counts; after an aggregation, Spark counts groups, not events. If a job reads a stream twice,
    both drop the same events, which count once.
    """
    operators = progress["stateOperators"]
    dropped = [one["numRowsDroppedByWatermark"] for one in operators if one["operatorName"] == DEDUPLICATION]
    number = progress["batchId"]
    return Batch(
        number=number,
        rows_in=progress["numInputRows"],
        rows_out=counts.out.pop(number, 0),
        late=_by_stream(counts.deduplicated, dropped),
        dead=counts.dead.pop(number, 0),
        state_rows=sum(operator["numRowsTotal"] for operator in operators),
        seconds=progress["durationMs"].get("triggerExecution", 0) / 1000,
        watermark=_event_time(progress, "watermark"),
        newest=_event_time(progress, "max"),
        silent=[source["description"] for source in progress["sources"] if not source["numInputRows"]],
        behind=any(map(_behind, progress["sources"])),
    )


def _by_stream(streams: Sequence[str], dropped: Sequence[int]) -> dict[str, int]:
    if len(streams) == len(dropped):
        return dict(zip(streams, dropped, strict=True))
    return {"all streams": sum(dropped)}  # if Spark has optimized a deduplication away


def _behind(source: dict[str, Any]) -> bool:
    return int((source.get("metrics") or {}).get("maxOffsetsBehindLatest", 0)) > 0


def _event_time(progress: dict[str, Any], name: str) -> datetime | None:
    text = progress.get("eventTime", {}).get(name)
    time = datetime.fromisoformat(text).astimezone(UTC) if text else None
    return time if time and time.timestamp() > 0 else None


def logfmt(fields: dict[str, object]) -> str:
    """Format `key=value` pairs; quote as JSON a value with a blank, a quote or a control character."""
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in fields.items())


def _quoted(text: str) -> str:
    if text and text.isprintable() and not set(text) & set(' "='):
        return text
    return printable(json.dumps(text, ensure_ascii=False))


def rfc_3339(time: datetime) -> str:
    """Format a UTC time, with milliseconds only if it has a fraction of a second."""
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds").replace("+00:00", "Z")


def record(batch: Batch, waiting: str) -> dict[str, object]:
    """Return a batch as a line of the progress file; `time` is now, times are RFC 3339 or null.

    `newest`: the newest event time in the batch. `seconds`: the batch's duration. `waiting`: why no rows came
    out, or null.
    """
    return {
        "time": rfc_3339(datetime.now(UTC)),
        "batch": batch.number,
        "in": batch.rows_in,
        "out": batch.rows_out,
        "late": sum(batch.late.values()),
        "late_by_stream": batch.late,
        "dead": batch.dead,
        "state_rows": batch.state_rows,
        "seconds": batch.seconds,
        "watermark": _text(batch.watermark),
        "newest": _text(batch.newest),
        "waiting": waiting or None,
    }


def _described(late: dict[str, int]) -> str:
    return ", ".join(f"{count} of {stream}" for stream, count in late.items() if count)


def _text(time: datetime | None) -> str | None:
    return rfc_3339(time) if time else None


class Progress(StreamingQueryListener):
    """A listener that reports every batch on standard error and keeps the totals.

    `waiting` returns why a given batch had input but produced no rows. `file` receives every batch too.
    """

    def __init__(
        self, job: str, counts: Counts, waiting: Callable[[Batch], str], file: ProgressFile | None = None
    ) -> None:
        self.totals = Totals()
        self.finished = threading.Event()
        self._job, self._counts, self._waiting, self._file = job, counts, waiting, file
        self._behind = self._warned = False

    def say(self, **fields: object) -> None:
        """Write one line of the run's log."""
        now = rfc_3339(datetime.now(UTC).replace(microsecond=0))
        print(logfmt({"time": now, "job": self._job, **fields}), file=sys.stderr, flush=True)

    def say_totals(self) -> None:
        """Write the last line: the totals of this run."""
        totals = self.totals
        self.say(
            total_batches=totals.batches,
            total_in=totals.rows_in,
            total_out=totals.rows_out,
            total_late=totals.late,
            total_dead=totals.dead,
        )

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802 - Spark's name
        """Note that the query works, without logging its start."""
        self._alive()

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802 - Spark's name
        """Report a batch."""
        batch = read(json.loads(event.progress.json), self._counts)
        totals = self.totals
        totals.batches += 1
        totals.rows_in += batch.rows_in
        totals.rows_out += batch.rows_out
        late = sum(batch.late.values())
        totals.late += late
        totals.dead += batch.dead
        waiting = self._waiting(batch) if batch.rows_in and not batch.rows_out else ""
        self.say(
            batch=batch.number,
            **{"in": batch.rows_in},
            out=batch.rows_out,
            late=late,
            dead=batch.dead,
            state_rows=batch.state_rows,
            watermark=_text(batch.watermark) or "none",
            seconds=f"{batch.seconds:.2f}",
            **({"late_by_stream": _described(batch.late)} if late and len(batch.late) > 1 else {}),
            **({"waiting": waiting} if waiting else {}),
        )
        if late and (batch.behind or self._behind) and not self._warned:
            self.say(warning=PACES)
            self._warned = True
        self._behind = batch.behind
        self._alive(record(batch, waiting))

    def _alive(self, batch: dict[str, object] | None = None) -> None:
        """Record that the query works, with the batch that shows it; a full disk must not end the job."""
        if self._file is None:
            return
        try:
            self._file.add(batch) if batch else self._file.touch()
        except OSError as error:
            self.say(progress_file=str(error))

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802 - Spark's name
        """Note that the query works, without logging that it is idle."""
        self._alive()

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802 - Spark's name
        """Note that all batches have been reported."""
        self.finished.set()
