from itertools import count

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from sources.kafka.connection import COMMITTED
from tests.support.kafka_broker import KafkaBroker

_names = (f"kafka-broker-{number}" for number in count())
QUIET = {"log_level": 0}


@pytest.fixture
def topic() -> str:
    return next(_names)


def publish(broker: KafkaBroker, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", **QUIET})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


def read(broker: KafkaBroker, topic: str, expected: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": topic, **COMMITTED, **QUIET})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(expected, timeout=120)]
    finally:
        consumer.close()


def test_it_keeps_what_was_published(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.create_topic(topic)
    publish(kafka_broker, topic, [b"first", b"second"])
    assert read(kafka_broker, topic, 2) == [b"first", b"second"]


def test_a_topic_has_the_partitions_and_configs_asked_for(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.create_topic(topic, 3, max_message_bytes=10_000)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, **QUIET})
    assert sorted(producer.list_topics(topic, timeout=10).topics[topic].partitions) == [0, 1, 2]
    refused: list[KafkaError | None] = []
    producer.produce(topic, bytes(20_000), on_delivery=lambda error, _: refused.append(error))
    assert producer.flush(30) == 0
    assert [error and error.code() for error in refused] == [KafkaError.MSG_SIZE_TOO_LARGE]


def test_a_topic_is_never_made_by_use(kafka_broker: KafkaBroker, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "message.timeout.ms": 500, **QUIET})
    producer.produce(topic, b"x")
    assert producer.flush(30) == 0
    assert topic not in producer.list_topics(timeout=10).topics


def test_a_deleted_topic_can_be_made_again_and_is_empty(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.create_topic(topic)
    publish(kafka_broker, topic, [b"old"])
    kafka_broker.delete_topic(topic)
    kafka_broker.create_topic(topic)
    publish(kafka_broker, topic, [b"new"])
    assert read(kafka_broker, topic, 1) == [b"new"]


def test_data_and_address_outlive_a_kill_and_a_stop(topic: str) -> None:
    with KafkaBroker() as broker:
        address = broker.bootstrap
        broker.create_topic(topic)
        publish(broker, topic, [b"before the kill"])
        broker.kill()
        with pytest.raises(KafkaException):
            Producer({"bootstrap.servers": address, **QUIET}).list_topics(timeout=1)
        broker.restart()
        publish(broker, topic, [b"after the kill"])
        broker.stop()
        broker.restart()
        assert broker.bootstrap == address
        assert read(broker, topic, 2) == [b"before the kill", b"after the kill"]


def test_two_run_side_by_side(kafka_broker: KafkaBroker, topic: str) -> None:
    with KafkaBroker() as other:
        other.create_topic(topic)
        ours = Producer({"bootstrap.servers": kafka_broker.bootstrap, **QUIET}).list_topics(timeout=10)
        assert topic not in ours.topics
