"""Over Kafka, which keeps cursors, an export subscription goes on after a restart of the emulator."""

from collections import Counter

import pytest

from pubsublite_emulator import Emulator
from tests.pubsublite.conftest import Resources
from tests.pubsublite.exporting import Destination, export, publish
from tests.pubsublite.pubsub_server import PubsubServer
from tests.pubsublite.raw import Channel
from tests.support.kafka_broker import KafkaBroker


@pytest.mark.slow
@pytest.mark.needs("go")
@pytest.mark.timeout(900)
def test_a_restart_delivers_nothing_twice_and_loses_nothing(
    kafka_broker: KafkaBroker, pubsub: PubsubServer
) -> None:
    destination = Destination().create()
    topic = None
    arrived: Counter[bytes] = Counter()
    for turn in range(3):
        with Emulator(f"kafka://{kafka_broker.bootstrap}") as emulator, pytest.MonkeyPatch.context() as patch:
            for name, value in emulator.env.items():
                patch.setenv(name, value)
            make = Resources()
            with Channel(emulator) as channel:
                if topic is None:
                    topic = make.topic()
                    export(make, topic, destination)
                publish(channel, topic, *({"data": b"%d-%d" % (turn, number)} for number in range(20)))
            arrived.update(one.data for one in destination.pull(20))
    assert arrived == Counter(b"%d-%d" % (turn, number) for turn in range(3) for number in range(20))
    assert destination.is_empty()
