"""What is on a Kafka topic, asked of the broker itself, without the product's clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from sources import instants
from sources.base import Message
from sources.catalog import Stream

WAIT_MS = 30_000


@contextmanager
def consumer(bootstrap: str, topic: str) -> Iterator[KafkaConsumer]:
    """Yield a consumer of all partitions of the topic, from their beginning; it reads what is committed."""
    made = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="none",
        enable_auto_commit=False,
    )
    with closing(made):
        made.assign([TopicPartition(topic, number) for number in sorted(made.partitions_for_topic(topic))])
        made.seek_to_beginning()
        yield made


def stored(bootstrap: str, topic: str) -> list[Any]:
    """Return every record of the topic up to its current end, by partition and offset."""
    found = []
    with consumer(bootstrap, topic) as reader:
        ends = reader.end_offsets(list(reader.assignment()), timeout_ms=WAIT_MS)
        while any(reader.position(place) < end for place, end in ends.items()):
            found += [record for records in reader.poll(1000).values() for record in records]
    return sorted(found, key=lambda record: (record.partition, record.offset))


def send(bootstrap: str, topic: str, *values: bytes, partition: int = 0, **settings: Any) -> None:
    """Put the values on the topic; fail if one is not stored."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap, **settings)) as producer:
        sent = [producer.send(topic, value, partition=partition) for value in values]
        for one in sent:
            one.get(WAIT_MS / 1000)


def put(bootstrap: str, message: Message, partition: int) -> None:
    """Store a message by librdkafka: kafka-python sends no header without a value, and none without both."""
    headers: list[tuple[str, str | bytes | None]] = [
        (name, value) for name, values in message.attributes.items() for value in values
    ]
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 2 << 20})
    stamp = 0 if message.event_at is None else instants.milliseconds(message.event_at)
    topic = Stream(message.stream).topic
    producer.produce(topic, message.value, message.key, partition, timestamp=stamp, headers=headers)
    assert producer.flush(30) == 0


def delete_before(bootstrap: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete each partition's records below an offset, as retention does."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        places = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
        answers = admin.delete_records(places, timeout_ms=WAIT_MS)
    assert {place.partition: answer["low_watermark"] for place, answer in answers.items()} == dict(offsets)
