"""The discounts job over a few small batches, killed and restarted until it ends by itself."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, pairwise
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from jobs.engine.checkpoint import path_of
from sources.replay import files as replay_files
from tests.support import reference, topic
from tests.support.event_sets import PRODUCT, EventSet
from tests.support.kafka_broker import KafkaBroker
from tests.support.kill_steps import IN_BATCH, SinkStep, Step, Traces, delta_step, parquet_step
from tests.support.process import JobProcess
from tests.support.reference import Row
from tests.support.runs import csv, expected_stream, record
from tests.support.streaming_reference import Streamed

JOB = "streaming_product_discounts"
TOPIC_PARTITIONS = 2
SLICE = 0.0005
"""Seconds that a job runs between two looks at its traces."""
TIDY_EVERY = 1
"""Batches between two compactions of a Delta table: one takes milliseconds, and a kill must fall into it."""
PROGRAM = f"""
import sys
from datetime import timedelta
from jobs.sinks import delta_rs
delta_rs.RETENTION = timedelta(0)
from jobs.sinks import delta
delta.TIDY_EVERY = {TIDY_EVERY}
from jobs.laptop.commands import main
sys.exit(main(sys.argv[1:]))
"""
"""`twinstream`, but for how often tables are tidied and what tidying may delete."""


@dataclass(frozen=True)
class Target:
    """Where and how rows are written; `broker`: the one with a Kafka sink's topic."""

    sink: str
    output_mode: str
    broker: KafkaBroker | None = None

    def __str__(self) -> str:
        return f"{self.sink} {self.output_mode}"


class KilledRun:
    """Input, checkpoint and results of one job in a folder; each start continues where the last one ended.

    Leaving the block closes the topic's consumer; the files stay.
    """

    def __init__(self, folder: Path, events: EventSet, target: Target) -> None:
        self._folder, self._events, self._target = folder, events, target
        self._topic = f"killed-{folder.name}"
        self._write_input()
        self._open = ExitStack()
        self.traces = Traces(Path(path_of(str(folder / "checkpoints"), JOB, "replay")), self._sink_step())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self, environment: Mapping[str, str] | None = None) -> JobProcess:
        """Start the job, always by the same command."""
        folder = self._folder
        flags = [
            f"--replay-dir={folder / 'replay'}",
            f"--discounts={folder / 'discounts.csv'}",
            f"--checkpoint-root={folder / 'checkpoints'}",
            *(f"--sink={self._target.sink}", f"--output-mode={self._target.output_mode}"),
        ]
        if self._target.broker:
            flags += [f"--sink-topic={self._topic}"]
            flags += [f"--kafka-bootstrap-servers={self._target.broker.bootstrap}"]
        else:
            flags += [f"--sink-path={folder / 'rows'}"]
        environment = {"TMPDIR": str(folder / "staged"), **(environment or {})}
        return JobProcess(JOB, *flags, environment=environment, program=("-c", PROGRAM))

    def kill_at(self, step: Step, attempts: int = 3) -> None:
        """Start the job and kill it at that step of the first batch that can be caught there."""
        for _ in range(attempts):
            with self.start() as job, before_all_others():
                self._freeze_at(step, job)
                job.kill()
            if self.traces.step(job.pid) == step:
                return
        raise AssertionError(f"no kill fell at the step {step.name}: {step}, in {attempts} attempts")

    def _freeze_at(self, step: Step, job: JobProcess, seconds: float = 300) -> None:
        """Freeze the job at that step.

        Within a batch, it stands still while its traces are read, and takes twice as long.
        """
        deadline = time.monotonic() + seconds
        in_batch = False
        while time.monotonic() < deadline:
            assert not job.has_ended, f"ended before the step {step.name}: {step}\n{job.said}"
            if in_batch:
                job.freeze()
            seen = self.traces.step(job.pid)
            if seen == step:
                job.freeze()
                if self.traces.step(job.pid) == step:
                    return
            in_batch = seen in IN_BATCH
            job.thaw()
            time.sleep(SLICE)
        raise AssertionError(f"no step {step.name}: {step}, in {seconds} s\n{job.said}")

    def finish(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the job and let it end by itself, then bring the windows that are due."""
        self.run_to_the_end(environment)
        self.bring_what_is_due(environment)

    def bring_what_is_due(self, environment: Mapping[str, str] | None = None) -> None:
        """Send one more message if the last kill fell before the batch without data that ends a run.

        Spark runs that batch only after one with data in the same process. The windows that are due come out
        with the next message, whatever it is.
        """
        if self.windows_are_due():
            again = self._events.messages(PRODUCT)[0]
            self._events.batches[PRODUCT].append([replace(again, offset=len(self._events.messages(PRODUCT)))])
            self._write_batches()
            self.run_to_the_end(environment)

    def windows_are_due(self) -> bool:
        """Return whether the last batch moved the watermark and no batch has used it since."""
        last = self.traces.batches("commits")[-1]
        began, committed = (self.traces.logged(log, last) for log in ("offsets", "commits"))
        return bool(committed["nextBatchWatermarkMs"] > began["batchWatermarkMs"])

    def run_to_the_end(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the job and let it end by itself."""
        with self.start(environment) as job:
            assert job.wait(900) == 0, job.said

    def expected(self) -> list[Row]:
        """Return the rows of an undisturbed run, as the reference has them."""
        streamed = self._streamed()
        every = reference.product_discounts(
            streamed.events(PRODUCT), self._events.offers, timedelta(minutes=1)
        )
        return sorted(streamed.final(every) if self._target.output_mode == "append" else every)

    def rows(self) -> list[Row]:
        """Return the rows written; from a topic, the last of each key, whose values never went down."""
        if self._target.broker:
            return sorted(self._last_of_each_key())
        folder = str(self._folder / "rows")
        found = (
            DeltaTable(folder).to_pyarrow_table()
            if self._target.sink == "delta"
            else ds.dataset(folder, format="parquet").to_table()
        )
        return sorted(tuple(row.values()) for row in _in_utc(found).to_pylist())

    def dead_letters(self) -> list[int]:
        """Return the offsets of the dead letters that were kept."""
        files = self._folder.glob(f"checkpoints/{JOB}/replay/dead-letters/batch=*/part-*.txt")
        lines = [line for file in files for line in file.read_text().splitlines()]
        return sorted(json.loads(line)["offset"] for line in lines)

    def expected_dead_letters(self) -> list[int]:
        """Return the offsets of the messages that are not events."""
        return sorted(self._streamed().counted[PRODUCT].dead)

    def lost_and_twice(self) -> tuple[int, int]:
        """Return the number of missing rows and dead letters, and of those that should not be there."""
        expected = Counter[object]([*self.expected(), *self.expected_dead_letters()])
        found = Counter[object]([*self.rows(), *self.dead_letters()])
        return (expected - found).total(), (found - expected).total()

    def _streamed(self) -> Streamed:
        """Return what the reference makes of the batches that the job made of its files.

        They are usually one each. If a kill falls after a file is listed and before its batch is planned,
        Spark lists another one, and the batch has both: fewer events are late then.
        """
        files, offsets = self._events.batches[PRODUCT], self.traces.batches("offsets")
        ends = [0, *(self.traces.logged("offsets", number, 2)["logOffset"] + 1 for number in offsets)]
        assert ends[-1] == len(files), f"{len(files) - ends[-1]} files are in no batch"
        batches = [list(chain.from_iterable(files[start:end])) for start, end in pairwise(ends)]
        return expected_stream(replace(self._events, batches={PRODUCT: batches}), [PRODUCT])

    def _last_of_each_key(self) -> Iterator[Row]:
        by_key: dict[bytes, list[bytes]] = {}
        for key, value in self._messages():
            by_key.setdefault(key, []).append(value)
        for values in by_key.values():
            rows = [_row(value) for value in dict.fromkeys(values)]
            assert len(rows) == 1 or self._target.output_mode == "update", f"a key came with values {values}"
            orders = [_row(value)[3] for value in values]
            assert orders == sorted(orders), f"a running total went back: {values}"
            yield rows[-1]

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        assert self._target.broker
        for one in topic.stored(self._target.broker.bootstrap, self._topic):
            yield one.key or b"", one.value or b""

    def _sink_step(self) -> SinkStep:
        if self._target.broker:
            self._target.broker.create_topic(self._topic, partitions=TOPIC_PARTITIONS)
            return self._topic_step()
        return (delta_step if self._target.sink == "delta" else parquet_step)(self._folder / "rows")

    def _topic_step(self) -> SinkStep:
        """Return the step function of the topic: whether it has a message of the batch."""
        assert self._target.broker
        consumer = self._open.enter_context(topic.consumer(self._target.broker.bootstrap, self._topic))

        def step(batch: int, since: int) -> Step | None:
            wanted = dict.fromkeys(consumer.assignment(), since // 1_000_000 + 1)
            found = consumer.offsets_for_times(wanted, timeout_ms=topic.WAIT_MS)
            return Step.SENT if any(found.values()) else None

        return step

    def _write_batches(self) -> None:
        for number, batch in enumerate(self._events.batches[PRODUCT], 1):
            file = self._folder / "replay" / PRODUCT / f"{number:04}.jsonl"
            if not file.exists():
                replay_files.write(file, (record(PRODUCT, message) for message in batch))

    def _write_input(self) -> None:
        self._write_batches()
        (self._folder / "discounts.csv").write_text(csv(self._events.offers))
        (self._folder / "staged").mkdir()


@contextmanager
def before_all_others() -> Iterator[None]:
    """Run this thread as soon as it can run, where the system allows that: a step may last a millisecond."""
    try:
        policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except (AttributeError, PermissionError):  # macOS, or not root
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def _in_utc(table: pa.Table) -> pa.Table:
    """Return the table with times in UTC: Spark writes them to Parquet without a zone."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            utc = table.column(at).cast(pa.timestamp("us", field.type.tz)).cast(pa.timestamp("us", "UTC"))
            table = table.set_column(at, field.name, utc)
    return table


def _row(value: bytes) -> Row:
    read: dict[str, object] = json.loads(value, parse_float=Decimal)
    times = [datetime.fromisoformat(str(read.pop(name))) for name in ("window_start", "window_end")]
    return (*times, *read.values())
