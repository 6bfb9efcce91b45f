"""The offsets that a Kafka topic retains; no record is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sources import instants
from sources.catalog import Stream
from sources.kafka.client import consumer, partitions, told
from sources.kafka.failure import ANSWER_SECONDS, missing
from sources.kafka.offsets import Offsets
from sources.kafka.options import KafkaOptions

WAIT_MS = ANSWER_SECONDS * 1000


@dataclass(frozen=True)
class RetainedOffsets:
    """Offsets of a partition: the oldest retained, the first stamped `since` or later, and the end."""

    partition: int
    oldest: int
    since: int
    end: int


def retained_offsets(stream: Stream, since: datetime, options: KafkaOptions) -> list[RetainedOffsets]:
    """Return the offsets of each partition of the topic; raise SourceError as `sources.kafka.check` does."""
    count = partitions(options, [stream.topic]).get(stream.topic)
    if count is None:
        raise missing(stream.topic, options)
    with consumer(options, {stream.topic: range(count)}) as reader, told(options):
        places = sorted(reader.assignment())
        oldest = reader.beginning_offsets(places, timeout_ms=WAIT_MS)
        ends = reader.end_offsets(places, timeout_ms=WAIT_MS)
        wanted = dict.fromkeys(places, instants.milliseconds(since))
        found = reader.offsets_for_times(wanted, timeout_ms=WAIT_MS)
    firsts = {place: answer.offset if (answer := found[place]) else ends[place] for place in places}
    return [RetainedOffsets(one.partition, oldest[one], firsts[one], ends[one]) for one in places]


def oldest_offsets(topics: Offsets, options: KafkaOptions) -> dict[str, dict[int, int]]:
    """Return the oldest retained offsets of these partitions; raise SourceError if it does not answer."""
    with consumer(options, topics) as reader, told(options):
        found = reader.beginning_offsets(sorted(reader.assignment()), timeout_ms=WAIT_MS)
    oldest: dict[str, dict[int, int]] = {topic: {} for topic in topics}
    for place, offset in found.items():
        oldest[place.topic][place.partition] = offset
    return oldest
