"""A publisher through an outage of its broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sources.base import Message
from sources.catalog import PRODUCT
from sources.kafka.options import KafkaOptions
from sources.kafka.publishing import KafkaPublisher
from tests.support import topic
from tests.support.kafka_broker import KafkaBroker


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaBroker]:
    for module in ("client", "publishing"):
        monkeypatch.setattr(f"sources.kafka.{module}.ANSWER_SECONDS", 2)
    with KafkaBroker() as broker:
        broker.create_topic(PRODUCT.topic, partitions=1)
        yield broker


class Sender:
    """Numbered messages, twenty a second, and what became of them."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.publisher = KafkaPublisher(KafkaOptions(kafka_bootstrap_servers=broker.bootstrap))
        self.stored: list[bytes] = []
        self.failed: list[bytes] = []
        self.sent = 0

    def send_until(self, reached: Callable[[], bool]) -> None:
        """Send until the condition holds; fail if it does not within a minute."""
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline, f"{len(self.stored)} stored, {len(self.failed)} failed"
            message = Message(PRODUCT.name, b"key", b"%d" % self.sent, None)
            self.publisher.publish([message], self._acknowledge)
            self.sent += 1
            time.sleep(0.05)

    def _acknowledge(self, message: Message, failure: Exception | None) -> None:
        (self.failed if failure else self.stored).append(message.value or b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begins", "ends"),
    [(KafkaBroker.kill, KafkaBroker.restart), (KafkaBroker.pause, KafkaBroker.resume)],
    ids=["killed", "paused"],
)
def test_what_an_outage_outlasts_fails_and_what_comes_later_is_stored(
    broker: KafkaBroker, begins: Callable[[KafkaBroker], None], ends: Callable[[KafkaBroker], None]
) -> None:
    sender = Sender(broker)
    sender.send_until(lambda: len(sender.stored) >= 20)
    begins(broker)
    sender.send_until(lambda: len(sender.failed) >= 100)
    ends(broker)
    before = len(sender.stored)
    sender.send_until(lambda: len(sender.stored) >= before + 20)
    sender.publisher.close()
    assert len(sender.stored) + len(sender.failed) == sender.sent
    there = [record.value for record in topic.stored(broker.bootstrap, PRODUCT.topic)]
    assert set(sender.stored) <= set(there)
    assert len(there) == len(set(there))


@pytest.mark.slow
def test_a_publisher_ends_though_its_broker_is_gone(broker: KafkaBroker) -> None:
    sender = Sender(broker)
    sender.send_until(lambda: len(sender.stored) >= 20)
    broker.kill()
    sender.send_until(lambda: len(sender.failed) >= 1)
    began = time.monotonic()
    sender.publisher.close()
    assert time.monotonic() - began < 30
    assert len(sender.stored) + len(sender.failed) == sender.sent
