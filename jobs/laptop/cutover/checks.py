"""Checks for whatever keeps a cut-over from counting every event once, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from pyspark.sql import SparkSession

from jobs.engine import files
from jobs.engine.checkpoint import CONTRACT, is_held, parse_contract, reset_command
from jobs.laptop.cutover.lite_progress import LiteProgress
from jobs.laptop.cutover.migration import KAFKA, LITE, Migration
from jobs.laptop.cutover.mirror_check import mirror_faults
from sources.google_cloud import Finding, refused, warning


def before(spark: SparkSession, migration: Migration) -> Iterator[Finding]:
    """Yield the findings that follow from the two runs alone."""
    yield from _windows_that_end(migration)
    yield from _a_sink_that_counts_once(migration)
    yield from _the_run_that_was(spark, migration)
    yield from _the_old_run_has_ended(migration)
    yield from _the_new_run_has_not_begun(spark, migration)


def after(migration: Migration, found: LiteProgress, start: datetime | None) -> Iterator[Finding]:
    """Yield the findings that depend on the old run's progress.

    Raise SourceError if a broker does not answer.
    """
    if found.batches.last is None:
        yield warning(
            migration.old_checkpoint,
            "no batch is committed there; all is left to the new run",
            "check the path",
        )
    for stream in migration.new.streams:
        yield from mirror_faults(stream, start, migration)


def _windows_that_end(migration: Migration) -> Iterator[Finding]:
    if migration.job.emission(migration.old.own).look_back is None:
        yield refused(
            "--window-type session",
            "a session has no longest length, so no start is early enough for every one that is open",
            f"run the job from `--source={KAFKA} --kafka-starting=earliest` on with another --sink-path "
            "beside the old one, and move the readers once the old one's sessions are in both",
        )


def _a_sink_that_counts_once(migration: Migration) -> Iterator[Finding]:
    if migration.old.sink.name == "console":
        yield refused(
            "--sink console",
            "what is printed twice cannot be taken back",
            "--sink delta, bigquery, parquet or kafka",
        )
    elif migration.old.sink.name == "kafka":
        yield warning(
            "--sink kafka",
            "windows around the switch may come twice, with the same key",
            "readers that keep the last message of each key, as a compacted topic does",
        )


def _the_run_that_was(spark: SparkSession, migration: Migration) -> Iterator[Finding]:
    place = f"{migration.old_checkpoint}/{CONTRACT}"
    try:
        saved = parse_contract(files.read_bytes(spark, place))
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield refused(
            place, f"expected the checkpoint of the run on Pub/Sub Lite ({error})", "its --checkpoint-root"
        )
        return
    now = replace(saved, job=migration.job.name, source=LITE, settings=migration.old.state_settings)
    for difference in now.differences(saved):
        yield refused(difference, "expected the flags of the run on Pub/Sub Lite", "the flag as it was")


def _the_old_run_has_ended(migration: Migration) -> Iterator[Finding]:
    if is_held(migration.old_checkpoint):
        yield refused(
            migration.old_checkpoint,
            "the job on Pub/Sub Lite is still running and writing windows; expected it to have ended",
            "stop it (SIGTERM), then run this again",
        )
    elif "://" in migration.old_checkpoint:
        yield warning(
            migration.old_checkpoint,
            "whether a job on Dataproc works on it cannot be told from here",
            "gcloud dataproc jobs list --cluster=CLUSTER --region=REGION --state-filter=active",
        )


def _the_new_run_has_not_begun(spark: SparkSession, migration: Migration) -> Iterator[Finding]:
    if not files.is_empty(spark, f"{migration.new_checkpoint}/offsets"):
        yield refused(
            migration.new_checkpoint,
            "a run on Kafka has begun there, and would not start where this says",
            "--prove, if it is the new run; else "
            + reset_command(migration.new.options.checkpoint_root, migration.job.name, KAFKA),
        )
