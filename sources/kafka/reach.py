"""How far back a Kafka topic reaches, from its offsets alone: no record is read."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Consumer, KafkaException, TopicPartition

from sources import instants
from sources.catalog import Stream
from sources.kafka.client import connected, partitions
from sources.kafka.connection import ANSWER_SECONDS, COMMITTED, missing, unreachable


@dataclass(frozen=True)
class PartitionReach:
    """Offsets of a partition: the oldest retained, the first stamped `since` or later, and the end."""

    partition: int
    oldest: int
    since: int
    end: int


def reach(stream: Stream, since: datetime, options: Namespace) -> list[PartitionReach]:
    """Return the reach of each partition of the topic; raise SourceError as `sources.kafka.check` does."""
    group = {"group.id": "twinstream-reach", "enable.auto.commit": False}
    consumer = connected(Consumer, options, {**group, **COMMITTED})
    try:
        count = partitions(consumer, options).get(stream.topic)
        if count is None:
            raise missing(stream.topic, options)
        return [_of_partition(consumer, stream.topic, number, since) for number in range(count)]
    except KafkaException as failure:
        raise unreachable(options, failure.args[0].str()) from None
    finally:
        consumer.close()


def _of_partition(consumer: Consumer, topic: str, number: int, since: datetime) -> PartitionReach:
    oldest, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_SECONDS)
    asked = [TopicPartition(topic, number, instants.milliseconds(since))]
    (found,) = consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
    return PartitionReach(number, oldest, end if found.offset < 0 else found.offset, end)
