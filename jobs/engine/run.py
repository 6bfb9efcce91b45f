"""The run of a job: one streaming query from source to sink, restarted only to pick up a changed table."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from jobs.engine import command_line, files
from jobs.engine import sink as sinks
from jobs.engine.checkpoint import (
    Checkpoint,
    CheckpointError,
    Contract,
    held,
    open_checkpoint,
    path_of,
    query_shape,
    reset_command,
)
from jobs.engine.dead_letter_retention import DeadLetterRetention
from jobs.engine.failure import failure
from jobs.engine.job import Job
from jobs.engine.pipeline import Pipeline, envelopes, together
from jobs.engine.query import Query
from jobs.engine.session import session
from jobs.engine.sink import Results, SinkError
from jobs.engine.stream_guard import StreamGuard, refuse_loss
from jobs.engine.terminal import printable
from jobs.engine.watched_tables import WatchedTables
from sources import base as sources
from sources.base import Source
from sources.fault import Fault


def run(job: Job, arguments: Sequence[str] | None = None) -> int:
    """Run a job to its end or until SIGTERM or Ctrl-C; return the exit code, 0 only if nothing failed.

    Exit with code 2 if the command line is wrong.
    """
    options = command_line.parse(job, arguments)
    try:
        return _run(job, options)
    except Fault as fault:
        message = printable(str(fault))
    except KeyboardInterrupt:
        message = "interrupted before the first batch; the same command starts again"
    except Exception as error:  # whatever it is, its trace belongs in a file
        message = failure(error, reset_command(options.checkpoint_root, job.name, options.source))
    print(f"{job.name}: {message}", file=sys.stderr, flush=True)
    return 1


def _run(job: Job, options: Namespace) -> int:
    spark = session(job.name, command_line.jar_sets(options), sinks.load(options.sink).SETTINGS)
    path = path_of(options.checkpoint_root, job.name, options.source)
    try:
        files.make_parent(spark, path)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written ({error})",
            expected="a writable folder, see --checkpoint-root",
        ) from None
    with held(path):
        return _run_alone(job, options, spark)


def _run_alone(job: Job, options: Namespace, spark: SparkSession) -> int:
    source, sink = sources.load(options.source), sinks.load(options.sink)
    streams = job.streams(options)
    found = source.check(spark, streams, options)
    tables = WatchedTables(spark, job, options)
    output = _output(job, source, spark, options, tables)
    settings = command_line.state_settings(job, options)
    contract = Contract(job.name, options.source, dict(found), settings, query_shape(output))
    checkpoint = open_checkpoint(spark, options.checkpoint_root, contract)
    refuse_loss(spark, source, options, checkpoint)
    write = sink.open_sink(spark, options, _results(job, options, checkpoint))
    letters = _dead_letter_folder(spark, job, options, checkpoint)
    query = Query(job, options, checkpoint, write, letters)
    retention = DeadLetterRetention(
        spark,
        letters,
        checkpoint.path,
        options.dead_letter_retention,
        shared=bool(options.dead_letter_dir),
        say=query.progress.say,
    )
    with source.watch(spark, streams, options) as identities:
        guard = StreamGuard(identities, checkpoint, contract, query.stop)
        with guard, _stopped_by_signals(query), _reported(spark, query), retention:
            while query.run(output, guard.before(tables.changed)):
                query.progress.say(table="changed", note="continuing with the new one")
                output = _output(job, source, spark, options, tables)
    query.progress.say_totals()
    return 0


def _results(job: Job, options: Namespace, checkpoint: Checkpoint) -> Results:
    return Results(
        job.name,
        checkpoint.application,
        job.key,
        job.order or job.key,
        options.output_mode == "update",
        checkpoint.fresh,
        options.windows_after,
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


def _output(
    job: Job, source: Source, spark: SparkSession, options: Namespace, tables: WatchedTables
) -> DataFrame:
    """Return the job's rows and dead letters: `row struct, dead_letter struct`, one of which is null."""
    streams = job.streams(options)
    pipeline = Pipeline(job, options, envelopes(source, spark.readStream, streams, options))
    return together({"row": pipeline.rows(tables.current), "dead_letter": pipeline.dead})


def _dead_letter_folder(spark: SparkSession, job: Job, options: Namespace, checkpoint: Checkpoint) -> str:
    """Return the dead-letter folder, created and proved writable; raise SinkError if that fails."""
    if not options.dead_letter_dir:
        return f"{checkpoint.path}/dead-letters"
    folder = f"{options.dead_letter_dir}/{job.name}/{options.source}/{checkpoint.application}"
    try:
        files.make_folder(spark, folder)
    except OSError as error:
        raise SinkError(
            f"--dead-letter-dir {options.dead_letter_dir}: cannot be written ({error})",
            expected="a writable folder",
            remedy="give another one, or omit it to keep dead letters in the checkpoint",
        ) from None
    return folder
