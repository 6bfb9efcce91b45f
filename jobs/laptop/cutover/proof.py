"""The proof of a cut-over: compares every event on Kafka with every row in the sink; each must count once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine import files
from jobs.engine.checkpoint import CONTRACT, CheckpointError
from jobs.engine.job import Inputs
from jobs.engine.sink import SinkError
from jobs.laptop.cutover.kafka_events import KafkaEvents, kafka_events
from jobs.laptop.cutover.migration import Migration
from jobs.laptop.cutover.tally import Tally, behind, compared, in_windows, tally
from jobs.sinks.console import table
from sources import instants
from sources.durations import to_timedelta


@dataclass(frozen=True)
class Proof:
    """The outcome for every message.

    `since` and `until` bound the final windows; those up to `finished` are the old run's (None: none are).
    """

    messages: int
    dead: dict[str, int]
    repeated: int
    events: int
    tally: Tally
    since: datetime
    until: datetime
    finished: datetime | None

    @property
    def failed(self) -> bool:
        """Return whether an event was lost or counted twice."""
        return bool(self.tally.lost or self.tally.twice)

    def show(self, form: str) -> None:
        """Print the proof as a table or as JSON."""
        times = {name: _text(getattr(self, name)) for name in ("since", "until", "finished")}
        if form == "json":
            print(json.dumps({**asdict(self), **times, "failed": self.failed}, indent=1))
            return
        lines = [
            ("messages on Kafka", self.messages),
            *((f"dead letters: {reason}", count) for reason, count in sorted(self.dead.items())),
            ("sent again: their event_id was there", self.repeated),
            ("events", self.events),
            (f"to count, in final windows from {times['since']} to {times['until']}", self.tally.to_count),
            (f"counted by the run on Pub/Sub Lite, up to {times['finished']}", self.tally.by_old),
            ("counted by the run on Kafka", self.tally.by_new),
            ("not counted, but late by their place on Kafka", self.tally.late),
            ("lost", self.tally.lost),
            ("counted twice", self.tally.twice),
        ]
        print("\n".join(table(["", "events"], [(name, str(count)) for name, count in lines])))
        print("FAILED: not every event once" if self.failed else "every event exactly once")


def prove(spark: SparkSession, migration: Migration) -> Proof:
    """Prove a cut-over; raise SourceError, SinkError or CheckpointError if the evidence is missing."""
    finished = _finished(spark, migration)
    rows = _rows(spark, migration)
    came = kafka_events(spark, migration)
    events = _events(migration, came)
    emission = migration.job.emission(migration.new.own)
    every, length = to_timedelta(emission.every), to_timedelta(emission.length or emission.every)
    since, until = _bounds(rows, came, length, migration)
    expected = in_windows(events, every, length).filter(_within(F.col("start"), length, since, until))
    there = rows.filter(_within(F.unix_micros("window_start"), length, since, until))
    key = next(name for name in migration.job.key if name != "window_start")
    groups = compared(expected, there, key, migration.job.count, migration.job.most(migration.new.own))
    end = F.col("start") + F.lit(length // instants.MICROSECOND)
    counted = tally(groups.withColumn("end", end), finished)
    return Proof(came.messages, came.dead, came.repeated, came.count, counted, since, until, finished)


def _events(migration: Migration, came: KafkaEvents) -> DataFrame:
    """Return the events that the job's rows count, each with `late boolean`."""
    if migration.job.counted is None:
        raise CheckpointError(f"{migration.job.name}: does not say which events it counts (Job.counted)")
    late = behind(came.copies, came.times, to_timedelta(migration.new.options.watermark)).withColumn(
        "late", F.lit(True)
    )
    events = migration.job.counted(Inputs(migration.new.own, came.events, {}))
    return events.join(late, "event_id", "left").fillna(False, ["late"])


def _finished(spark: SparkSession, migration: Migration) -> datetime | None:
    """Return the end of the old run's last finished window, as given to the new run; None if not given."""
    place = f"{migration.new_checkpoint}/{CONTRACT}"
    try:
        settings = json.loads(files.read_bytes(spark, place))["contract"]["settings"]
    except OSError as error:
        raise CheckpointError(
            f"{place}: {error}",
            expected="the checkpoint of the run on Kafka",
            remedy="start that run; without --prove this says how",
        ) from None
    return instants.parse(settings["--windows-after"]) if "--windows-after" in settings else None


def _rows(spark: SparkSession, migration: Migration) -> DataFrame:
    """Return the rows of both runs, whether they are in one place or two."""
    places = dict.fromkeys(run.sink.options for run in (migration.old, migration.new))
    sink = migration.old.sink.it
    found = [rows for place in places if (rows := sink.written(spark, place)) is not None]
    if not found:
        raise SinkError(
            f"--sink {migration.old.sink.name}: no rows can be read back there",
            expected="the table that the two runs have written",
            remedy="--sink and --sink-path as they have it",
        )
    return reduce(DataFrame.unionByName, found)


def _bounds(
    rows: DataFrame, came: KafkaEvents, length: timedelta, migration: Migration
) -> tuple[datetime, datetime]:
    """Return the first and last instant of the windows that both the sink and Kafka have in full.

    If Kafka's oldest event is later than the sink's first window, older events with a later timestamp may be
    missing for a while.
    """
    micros = rows.agg(F.min(F.unix_micros("window_start")), F.max(F.unix_micros("window_end"))).first()
    if micros is None or micros[0] is None or came.oldest is None:
        raise SinkError(
            f"--sink {migration.old.sink.name}: no rows there yet",
            expected="some to prove",
            remedy="wait",
        )
    first, until = (instants.EPOCH + micro * instants.MICROSECOND for micro in micros)
    if came.oldest < first + length:
        return first, until
    look_back = migration.job.emission(migration.new.own).look_back or length
    return came.oldest + migration.new.options.max_future_skew + look_back - length, until


def _within(start: Column, length: timedelta, since: datetime, until: datetime) -> Column:
    first, last = ((time - instants.EPOCH) // instants.MICROSECOND for time in (since, until))
    return (start >= first) & (start + F.lit(length // instants.MICROSECOND) <= last)


def _text(time: datetime | None) -> str | None:
    return instants.text(time) if time else None
