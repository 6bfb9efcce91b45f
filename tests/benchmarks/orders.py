"""Orders on a Kafka topic: what the throughput and catch-up benchmarks read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from confluent_kafka import Producer

from sources.catalog import PRODUCT
from tests.kafka_broker import KafkaBroker

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
USERS, PRODUCTS = 2000, 200


def publish(broker: KafkaBroker, count: int, partitions: int = 2, seed: int = 1) -> None:
    """Make the product stream's topic and put `count` orders of ten minutes on it, in order of event time."""
    broker.create_topic(PRODUCT.topic, partitions=partitions)
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, "linger.ms": 50, "batch.num.messages": 100_000, "acks": "1"}
    )
    random = Random(seed)
    for number in range(count):
        time = START + timedelta(seconds=600 * number / count)
        value = (
            f'{{"event_id":"{random.getrandbits(64):016x}","user_id":"user-{random.randrange(USERS)}",'
            f'"product_id":"product-{random.randrange(PRODUCTS)}","event_time":"{time:%Y-%m-%dT%H:%M:%S}Z",'
            f'"quantity":{random.randint(1, 5)},"unit_price":{random.randrange(100, 100_000) / 100}}}'
        )
        while True:
            try:
                producer.produce(PRODUCT.topic, value, partition=number % partitions)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def discounts(file: Path) -> Path:
    """A discounts file for one user and product in a hundred."""
    random = Random(2)
    lines = [
        f"user-{user},product-{random.randrange(PRODUCTS)},{random.randrange(1, 101)}"
        for user in range(USERS)
        for _ in range(2)
    ]
    file.write_text("\n".join(["user_id,product_id,discount_percent", *dict.fromkeys(lines)]) + "\n")
    return file
