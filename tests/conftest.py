"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.kafka_broker import KafkaBroker

pytest_plugins = ["tests.loud_skips", "pytester"]


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """One broker for the whole run: a test makes its own topics, and one that kills makes its own broker."""
    with KafkaBroker() as broker:
        yield broker
