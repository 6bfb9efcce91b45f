"""Checks for whatever keeps a cut-over from counting every event once, each with its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from pyspark.sql import SparkSession

from jobs.engine import files
from jobs.engine.checkpoint import CONTRACT, Contract, is_held, reset_command
from jobs.engine.command_line import state_settings
from jobs.laptop.cutover.mirrored import mirrored
from jobs.laptop.cutover.standing import Standing
from jobs.laptop.cutover.switch import KAFKA, LITE, Switch
from jobs.laptop.promotion.finding import Finding, refused, warning


def before(spark: SparkSession, switch: Switch) -> Iterator[Finding]:
    """Yield the findings that follow from the two runs alone."""
    yield from _windows_that_end(switch)
    yield from _a_sink_that_counts_once(switch)
    yield from _the_run_that_was(spark, switch)
    yield from _the_old_run_has_ended(switch)
    yield from _the_new_run_has_not_begun(spark, switch)


def after(switch: Switch, found: Standing, start: datetime | None) -> Iterator[Finding]:
    """Yield the findings that depend on the old run's progress.

    Raise SourceError if a broker does not answer.
    """
    if found.batches.last is None:
        yield warning(
            switch.old_checkpoint, "no batch is committed there; all is left to the new run", "check the path"
        )
    for stream in switch.job.streams(switch.new):
        yield from mirrored(stream, start, switch)


def _windows_that_end(switch: Switch) -> Iterator[Finding]:
    if switch.job.emission(switch.old).look_back is None:
        yield refused(
            "--window-type session",
            "a session has no longest length, so no start is early enough for every one that is open",
            f"run the job from `--source={KAFKA} --kafka-starting=earliest` on with another --sink-path "
            "beside the old one, and move the readers once the old one's sessions are in both",
        )


def _a_sink_that_counts_once(switch: Switch) -> Iterator[Finding]:
    if switch.old.sink == "console":
        yield refused(
            "--sink console",
            "what is printed twice cannot be taken back",
            "--sink delta, bigquery, parquet or kafka",
        )
    elif switch.old.sink == "kafka":
        yield warning(
            "--sink kafka",
            "windows around the switch may come twice, with the same key",
            "readers that keep the last message of each key, as a compacted topic does",
        )


def _the_run_that_was(spark: SparkSession, switch: Switch) -> Iterator[Finding]:
    place = f"{switch.old_checkpoint}/{CONTRACT}"
    try:
        saved = Contract(**json.loads(files.read_bytes(spark, place))["contract"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield refused(
            place, f"expected the checkpoint of the run on Pub/Sub Lite ({error})", "its --checkpoint-root"
        )
        return
    settings = state_settings(switch.job, switch.old)
    now = Contract(switch.job.name, LITE, saved.streams, settings, saved.query)
    for difference in now.differences(saved):
        yield refused(difference, "expected the flags of the run on Pub/Sub Lite", "the flag as it was")


def _the_old_run_has_ended(switch: Switch) -> Iterator[Finding]:
    if is_held(switch.old_checkpoint):
        yield refused(
            switch.old_checkpoint,
            "the job on Pub/Sub Lite is still running and writing windows; expected it to have ended",
            "stop it by SIGTERM, then this again",
        )
    elif "://" in switch.old_checkpoint:
        yield warning(
            switch.old_checkpoint,
            "whether a job on Dataproc works on it cannot be told from here",
            "gcloud dataproc jobs list --cluster=CLUSTER --region=REGION --state-filter=active",
        )


def _the_new_run_has_not_begun(spark: SparkSession, switch: Switch) -> Iterator[Finding]:
    if not files.is_empty(spark, f"{switch.new_checkpoint}/offsets"):
        yield refused(
            switch.new_checkpoint,
            "a run on Kafka has begun there, and would not start where this says",
            "--prove, if it is the new run; else "
            + reset_command(switch.new.checkpoint_root, switch.job.name, KAFKA),
        )
