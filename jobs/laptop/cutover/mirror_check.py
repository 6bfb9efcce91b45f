"""A check that a stream's Kafka topic has everything Pub/Sub Lite has, from the new run's start on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice

from jobs.laptop.cutover.migration import Migration
from sources import instants, kafka, pubsublite
from sources.catalog import Stream
from sources.google_cloud import Finding, refused
from sources.kafka.options import KafkaOptions
from sources.pubsublite.options import LiteOptions

FIRST = 1000
"""The number of a topic's oldest events that are searched for Pub/Sub Lite's oldest event."""


def mirror_faults(stream: Stream, start: datetime | None, migration: Migration) -> Iterator[Finding]:
    """Refuse a topic that does not reach back to `start` (None: to the oldest event of all).

    Raise SourceError if a broker does not answer or has no such topic.
    """
    from sources.kafka.retained import retained_offsets

    parts = retained_offsets(stream, start or instants.EPOCH, migration.new.source.options)
    since = instants.text(start) if start else "the oldest event"
    if not any(part.end for part in parts):
        yield refused(
            f"topic {stream.topic}",
            "is empty; expected Pub/Sub Lite's events",
            "start the Kafka Connect source, and wait until it has caught up",
        )
    elif cut := [part.partition for part in parts if part.oldest and part.since == part.oldest]:
        yield refused(
            f"topic {stream.topic}, partition {', '.join(map(str, cut))}",
            f"retention has taken events; expected all since {since}",
            "raise retention.ms and restart the Kafka Connect source from a new subscription",
        )
    elif all(part.since == 0 for part in parts) and not _begins_as_lite(stream, migration):
        yield refused(
            f"topic {stream.topic}",
            f"has nothing before {since}, and Pub/Sub Lite's oldest event is not there: it began too late",
            "restart the Kafka Connect source from a new subscription that starts at the beginning",
        )


def _begins_as_lite(stream: Stream, migration: Migration) -> bool:
    """Return whether Pub/Sub Lite's oldest event is among the topic's oldest."""
    old: LiteOptions = migration.old.source.options
    new: KafkaOptions = migration.new.source.options
    with closing(pubsublite.records(stream, old)) as on_lite, closing(kafka.records(stream, new)) as on_kafka:  # type: ignore[type-var]
        oldest = next(on_lite)
        there = (record for record in islice(on_kafka, FIRST) if record)
        return oldest is None or any(record.value == oldest.value for record in there)
