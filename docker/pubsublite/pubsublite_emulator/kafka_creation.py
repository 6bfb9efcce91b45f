"""Creation of Kafka topics, for messages and for the emulator's own records, by one rule."""

from __future__ import annotations

import asyncio

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.kafka_errors import refusal


async def created(admin: AdminClient, topic: NewTopic) -> bool:
    """Create the topic, with as many replicas as the broker's default; return False if it exists already.

    Raise FAILED_PRECONDITION, with the remedy, if there are too few brokers for that default.
    """
    try:
        await asyncio.wrap_future(admin.create_topics([topic])[topic.topic])
    except KafkaException as failure:
        error = failure.args[0]
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        if error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
            raise _too_few_brokers(topic.topic, error) from None
        raise refusal(error) from None
    return True


def _too_few_brokers(topic: str, error: KafkaError) -> LiteError:
    return LiteError(
        Code.FAILED_PRECONDITION,
        f"Kafka topic {topic}: {error.str()} Expected at least as many brokers as the broker's "
        "default.replication.factor; remedy: lower that, or create the topic with fewer replicas in Kafka: "
        "it is adopted",
    )
