from itertools import count

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import consumer, send, stored

_names = (f"kafka-broker-{number}" for number in count())


@pytest.fixture
def topic() -> str:
    return next(_names)


def values(broker: KafkaBroker, topic: str) -> list[bytes]:
    return [record.value for record in stored(broker.bootstrap, topic)]


def test_it_keeps_what_was_published(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.create_topic(topic)
    send(kafka_broker.bootstrap, topic, b"first", b"second")
    assert values(kafka_broker, topic) == [b"first", b"second"]


def test_a_topic_has_the_partitions_and_configs_asked_for(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.create_topic(topic, 3, max_message_bytes=10_000)
    with consumer(kafka_broker.bootstrap, topic) as reader:
        assert sorted(place.partition for place in reader.assignment()) == [0, 1, 2]
    with pytest.raises(MessageSizeTooLargeError):
        send(kafka_broker.bootstrap, topic, bytes(20_000))


def test_a_topic_is_never_made_by_use(kafka_broker: KafkaBroker, topic: str) -> None:
    with pytest.raises(KafkaTimeoutError):
        send(kafka_broker.bootstrap, topic, b"x", max_block_ms=500)
    assert topic not in kafka_broker.topics()


def test_a_deleted_topic_can_be_made_again_and_is_empty(kafka_broker: KafkaBroker, topic: str) -> None:
    kafka_broker.create_topic(topic)
    send(kafka_broker.bootstrap, topic, b"old")
    kafka_broker.delete_topic(topic)
    kafka_broker.create_topic(topic)
    send(kafka_broker.bootstrap, topic, b"new")
    assert values(kafka_broker, topic) == [b"new"]


@pytest.mark.slow
def test_data_and_address_outlive_a_kill_and_a_stop(topic: str) -> None:
    with KafkaBroker() as broker:
        address = broker.bootstrap
        broker.create_topic(topic)
        send(broker.bootstrap, topic, b"before the kill")
        broker.kill()
        with pytest.raises(KafkaTimeoutError):
            send(address, topic, b"nobody there", bootstrap_timeout_ms=500)
        broker.restart()
        send(broker.bootstrap, topic, b"after the kill")
        broker.stop()
        broker.restart()
        assert broker.bootstrap == address
        assert values(broker, topic) == [b"before the kill", b"after the kill"]


def test_two_run_side_by_side(kafka_broker: KafkaBroker, topic: str) -> None:
    with KafkaBroker() as other:
        other.create_topic(topic)
        assert topic not in kafka_broker.topics()
