"""A lesson: a scenario's events, published batch by batch, and a job's query over exactly those events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import uuid4

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import Job
from notebooks.broker import Broker
from notebooks.job_query import JobQuery
from sources.base import Message, SourceError
from sources.catalog import Stream
from sources.laptop.arrivals import Batch
from sources.laptop.progress import Progress
from sources.laptop.scenarios import SCENARIOS, Scenario, one_round

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LESSON, NUMBER = "lesson", "number"
"""Attributes of a published message: the lesson's id, and the message's place in publishing order."""


@dataclass(frozen=True)
class _Published:
    number: int
    batch: int
    message: Message


class Lesson:
    """A scenario to publish, and a job's query over what was published, whatever else the streams hold.

    `scenario` is a scenario's name or one of your own; only its messages for the job's streams count.
    The same scenario, seed and start give the same events, but each lesson has its own messages.
    `together` is the number of the scenario's batches that form one here.
    """

    def __init__(
        self,
        broker: Broker,
        scenario: str | Scenario,
        job: Job[Any],
        *flags: str,
        seed: int = 1,
        start: datetime = NOON,
        together: int = 1,
    ) -> None:
        told = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
        self._id = uuid4().hex.encode()
        self._broker, self._published = broker, list[_Published]()
        place = broker.from_now_on()
        self._query = JobQuery(broker, job, *place, *flags, pick=self._own, keep_events=True)
        self.batches = self._told(told, seed, start, together)

    def publish(self, batch: Batch) -> None:
        """Publish a batch, and wait until the broker has stored it; raise SourceError if it refuses.

        The broker's client stamps each message with the current time; its event time is the scenario's.
        """
        progress = Progress("published")
        publisher = self._broker.source.it.publisher(self._broker.source.options)
        try:
            publisher.publish([self._tagged(arrival.message) for arrival in batch], progress.acknowledge)
        finally:
            publisher.close()
        for failure in progress.failures:
            raise SourceError(failure)

    def run(self) -> None:
        """Run the job's query over what was published since its last run."""
        self._query.step()

    @property
    def rows(self) -> pd.DataFrame:
        """Return the job's rows so far; `step` is the run that emitted a row."""
        return self._query.rows

    @property
    def steps(self) -> pd.DataFrame:
        """Return a row per run: the watermark before and after it, its rows, late events and dead letters."""
        return self._query.steps

    @property
    def events(self) -> pd.DataFrame:
        """Return the events that the job worked with: good ones, each once, none late."""
        return self._query.events

    def events_of(self, stream: Stream) -> DataFrame:
        """Return one stream's events as a Spark DataFrame, for the job's own functions."""
        return self._query.events_of(stream)

    @property
    def dead_letters(self) -> pd.DataFrame:
        """Return the messages that were not events, with the reason."""
        letters = self._query.dead_letters
        value = letters["value"].map(lambda one: bytes(one).decode(errors="replace") if one else "")
        return letters.assign(value=value)[["step", "reason", "value"]]

    @property
    def arrivals(self) -> pd.DataFrame:
        """Return every message in publishing order: `number, step, stream, event_id, event_time, fate`.

        `fate` is what the query made of it: counted, late, twice (an event that was counted before) or dead.
        A dead letter's `event_time` is when it happened according to its producer.
        """
        dead = {int(one[NUMBER][0]) for one in self._query.dead_letters["attributes"]}
        kept = set(zip(self.events["event_id"], self.events["step"], strict=True))
        watermarks = dict(zip(self.steps["step"], self.steps["watermark"], strict=True))
        rows = []
        for one in self._published:
            event_id = _event_id(one.message)
            time = pd.Timestamp(one.message.event_at).tz_localize(None)
            if one.number in dead:
                fate = "dead"
            elif (event_id, one.batch) in kept:
                kept.remove((event_id, one.batch))
                fate = "counted"
            else:
                fate = "late" if time <= watermarks[one.batch] else "twice"
            rows.append((one.number, one.batch, one.message.stream, event_id, time, fate))
        return pd.DataFrame(rows, columns=["number", "step", "stream", "event_id", "event_time", "fate"])

    def _told(self, scenario: Scenario, seed: int, start: datetime, together: int) -> Sequence[Batch]:
        names = {stream.name for stream in self._query.invocation.streams}
        ours = (
            [one for one in batch if one.message.stream in names]
            for batch in one_round(scenario, seed, start)
        )
        batches = [batch for batch in ours if batch]
        return [list(chain(*batches[at : at + together])) for at in range(0, len(batches), together)]

    def _own(self, envelopes: DataFrame) -> DataFrame:
        mine = F.element_at(f"attributes.{LESSON}", 1) == F.lit(self._id)
        return envelopes.filter(mine)

    def _tagged(self, message: Message) -> Message:
        number, batch = len(self._published) + 1, len(self.steps) + 1
        self._published.append(_Published(number, batch, message))
        tags = {LESSON: [self._id], NUMBER: [str(number).encode()]}
        return replace(message, event_at=None, attributes={**message.attributes, **tags})


def _event_id(message: Message) -> str:
    """Return the message's `event_id`; empty if it has none."""
    try:
        event = json.loads(message.value or b"")
    except ValueError:
        return ""
    return str(event.get("event_id", "")) if isinstance(event, dict) else ""
