"""One streaming query: it writes batches to the sink and the dead-letter folder and stops between batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum
from itertools import chain

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from jobs.engine import dead_letters
from jobs.engine.checkpoint import Checkpoint
from jobs.engine.command_line import AVAILABLE_NOW, CONTINUOUS, Invocation
from jobs.engine.executed_batch import ExecutedBatch, computed
from jobs.engine.pipeline import reads
from jobs.engine.progress import Batch, Counts, Progress, rfc_3339
from jobs.engine.progress_file import ProgressFile
from jobs.engine.sink import Write
from sources.fault import Fault

POLL = 0.2
"""Seconds between two checks whether to stop."""


class State(Enum):
    """What a query is about to do."""

    RUNNING = "run another batch"
    RELOADING = "end after the running batch, to continue with a changed table"
    STOPPING = "end after the running batch, for good"


class StopRequested(Exception):
    """The end of a query at the start of a batch: none of it is written yet, and a restart processes it."""


class Query:
    """A runner of a job's output on one checkpoint, repeatedly if need be."""

    def __init__(
        self, invocation: Invocation, checkpoint: Checkpoint, write: Write, dead_letter_folder: str
    ) -> None:
        self._invocation, self._checkpoint = invocation, checkpoint
        self._job, self._options = invocation.job, invocation.options
        self._write, self._dead_letter_folder = write, dead_letter_folder
        # A sink written for an earlier release has no such member.
        self._takes_empty = getattr(invocation.sink.it, "TAKES_EMPTY", False)
        self._counts = Counts()
        self._stop_requested = self._table_changed = False
        self._raised: Exception | None = None
        file = _progress_file(invocation)
        self.progress = Progress(invocation.job.name, self._counts, self._waiting, file)

    def stop(self) -> None:
        """Request that the query end after the running batch."""
        self._stop_requested = True

    def run(self, output: DataFrame, changed: Callable[[], bool]) -> bool:
        """Run `output` until it ends or is asked to; return whether it ended because `changed` returned True.

        Raise the batch's Fault, or StreamingQueryException, if a batch fails.
        """
        self._table_changed, self._raised = False, None
        self._started: Future[StreamingQuery] = Future()
        self._counts.deduplicated = reads(output)
        self.progress.finished.clear()
        query = self._start(output)
        self._started.set_result(query)
        while query.isActive and self._state is State.RUNNING:
            time.sleep(POLL)
            self._table_changed = changed()
        self._drain(query)
        self.progress.finished.wait(10)
        return self._state is State.RELOADING

    @property
    def _state(self) -> State:
        """Return the state, in which a stop goes before a changed table; a signal may request it anywhere."""
        if self._stop_requested:
            return State.STOPPING
        return State.RELOADING if self._table_changed else State.RUNNING

    def _start(self, output: DataFrame) -> StreamingQuery:
        trigger = self._invocation.trigger
        writer = (
            output.writeStream.foreachBatch(self._process)
            .outputMode(self._options.output_mode)
            .option("checkpointLocation", self._checkpoint.path)
            .queryName(self._job.name)
        )
        if trigger == AVAILABLE_NOW:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime="0 seconds" if trigger == CONTINUOUS else trigger).start()

    def _drain(self, query: StreamingQuery) -> None:
        """Let the running batch finish; stop a query that waits for input at once.

        A query that is still starting is not stopped, because an interrupted source fails; it ends at its
        first batch.
        """
        while query.isActive:
            status = query.status
            if not (status["isTriggerActive"] or status["message"].startswith("Initializing")):
                query.stop()
            time.sleep(POLL / 4)
        if (error := query.exception()) and not isinstance(self._raised, StopRequested):
            raise self._raised or error

    def _process(self, batch: DataFrame, number: int) -> None:
        """Write a batch; what it raises is noted here, because Spark passes on only its text."""
        try:
            if self._state is not State.RUNNING:
                raise StopRequested
            self._write_batch(batch, number)
        except (Fault, StopRequested) as raised:
            self._raised = raised
            raise

    def _write_batch(self, batch: DataFrame, number: int) -> None:
        executed = ExecutedBatch(self._started.result(), batch)
        if self._takes_empty:
            self._write(batch, number)
        else:
            with computed(batch) as rows:
                if executed.rows():
                    self._write(rows, number)
        self._counts.out[number] = executed.rows()
        self._counts.dead[number] = self._write_dead_letters(executed, batch.sparkSession, number)

    def _write_dead_letters(self, executed: ExecutedBatch, spark: SparkSession, number: int) -> int:
        """Write the batch's dead letters, if there are any, and return their number."""
        found = {stream: executed.dead(stream) for stream in self._counts.deduplicated}
        if not any(found.values()):
            return 0
        skew = self._options.max_future_skew
        letters = chain.from_iterable(
            dead_letters.letters(executed.dead_letters(stream), skew, count)
            for stream, count in found.items()
            if count
        )
        return dead_letters.write(spark, letters, self._dead_letter_folder, number)

    def _waiting(self, batch: Batch) -> str:
        if self._invocation.upsert:
            return "no event has changed a window"
        if batch.watermark is None:
            silent = f"; nothing yet from {', '.join(batch.silent)}" if batch.silent else ""
            return f"there is no watermark before the second batch with events{silent}"
        emission = self._job.emission(self._invocation.own)
        end, due = emission.open_window(batch.watermark, self._options.watermark)
        return (
            f"windows that end at {rfc_3339(end)} or later are not final: "
            f"that one comes out after an event of {rfc_3339(due)} or later"
        )


def _progress_file(invocation: Invocation) -> ProgressFile | None:
    folder = invocation.options.progress_dir
    return ProgressFile(folder, invocation.job.name) if folder else None
