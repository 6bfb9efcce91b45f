"""The run of a job: one streaming query from source to sink, restarted only to pick up a changed table."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.engine import command_line, files
from jobs.engine.checkpoint import (
    Checkpoint,
    Contract,
    held,
    open_checkpoint,
    query_shape,
    reset_command,
    unwritable,
)
from jobs.engine.command_line import Invocation
from jobs.engine.dead_letter_retention import DeadLetterRetention
from jobs.engine.executed_batch import counted
from jobs.engine.failure import failure
from jobs.engine.job import Job
from jobs.engine.pipeline import Pipeline, envelopes, reads
from jobs.engine.query import Query
from jobs.engine.session import session
from jobs.engine.sink import Results, SinkError
from jobs.engine.stream_guard import StreamGuard, refuse_loss
from jobs.engine.terminal import printable
from jobs.engine.watched_tables import WatchedTables
from sources.fault import Fault


def run(job: Job[Any], arguments: Sequence[str] | None = None) -> int:
    """Run a job to its end or until SIGTERM or Ctrl-C; return the exit code, 0 only if nothing failed.

    Exit with code 2 if the command line is wrong.
    """
    invocation = command_line.parse(job, arguments)
    try:
        return _run(invocation)
    except Fault as fault:
        message = printable(str(fault))
    except KeyboardInterrupt:
        message = "interrupted before the first batch; the same command starts again"
    except Exception as error:  # whatever it is, its trace belongs in a file
        root = invocation.options.checkpoint_root
        message = failure(error, reset_command(root, job.name, invocation.source.name))
    print(f"{job.name}: {message}", file=sys.stderr, flush=True)
    return 1


def _run(invocation: Invocation) -> int:
    spark = session(invocation.job.name, invocation.jar_sets, invocation.sink.it.SETTINGS)
    path = invocation.checkpoint
    try:
        files.make_parent(spark, path)
    except OSError as error:
        raise unwritable(path, error) from None
    with held(path):
        return _run_alone(invocation, spark)


def _run_alone(invocation: Invocation, spark: SparkSession) -> int:
    job, options, source, sink = invocation.job, invocation.options, invocation.source, invocation.sink
    found = source.it.check(spark, invocation.streams, source.options)
    tables = WatchedTables(spark, job, invocation.files)
    output = _output(invocation, spark, tables)
    contract = Contract(
        job.name,
        source.name,
        dict(found),
        invocation.state_settings,
        query_shape(output),
        list(reads(output)),
    )
    checkpoint = open_checkpoint(spark, options.checkpoint_root, contract)
    refuse_loss(spark, source, checkpoint)
    write = sink.it.open_sink(spark, sink.options, _results(invocation, checkpoint))
    letters = _dead_letter_folder(spark, invocation, checkpoint)
    query = Query(invocation, checkpoint, write, letters)
    retention = DeadLetterRetention(
        spark,
        letters,
        checkpoint.path,
        options.dead_letter_retention,
        shared=bool(options.dead_letter_dir),
        say=query.progress.say,
    )
    with source.it.watch(spark, invocation.streams, source.options) as identities:
        guard = StreamGuard(identities, checkpoint, contract, query.stop)
        with guard, _stopped_by_signals(query), _reported(spark, query), retention:
            while query.run(output, guard.before(tables.changed)):
                query.progress.say(table="changed", note="continuing with the new one")
                output = _output(invocation, spark, tables)
    query.progress.say_totals()
    return 0


def _results(invocation: Invocation, checkpoint: Checkpoint) -> Results:
    job = invocation.job
    return Results(
        job.name,
        checkpoint.application,
        job.key,
        job.order or job.key,
        invocation.upsert,
        checkpoint.fresh,
        invocation.options.windows_after,
    )


@contextmanager
def _stopped_by_signals(query: Query) -> Iterator[None]:
    """Run the block so that SIGTERM and Ctrl-C let the current batch finish."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: query.stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _reported(spark: SparkSession, query: Query) -> Iterator[None]:
    spark.streams.addListener(query.progress)
    try:
        yield
    finally:
        spark.streams.removeListener(query.progress)


def _output(invocation: Invocation, spark: SparkSession, tables: WatchedTables) -> DataFrame:
    """Return the job's rows, counted."""
    read = envelopes(invocation.source, spark.readStream, invocation.streams)
    return counted(Pipeline(invocation, read).rows(tables.current))


def _dead_letter_folder(spark: SparkSession, invocation: Invocation, checkpoint: Checkpoint) -> str:
    """Return the dead-letter folder, created and proved writable; raise SinkError if that fails."""
    options = invocation.options
    if not options.dead_letter_dir:
        return f"{checkpoint.path}/dead-letters"
    folder = (
        f"{options.dead_letter_dir}/{invocation.job.name}/{invocation.source.name}/{checkpoint.application}"
    )
    try:
        files.make_folder(spark, folder)
    except OSError as error:
        raise SinkError(
            f"--dead-letter-dir {options.dead_letter_dir}: cannot be written ({error})",
            expected="a writable folder",
            remedy="give another one, or omit it to keep dead letters in the checkpoint",
        ) from None
    return folder
