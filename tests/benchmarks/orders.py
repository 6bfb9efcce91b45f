"""Orders on a Kafka topic, the input of the throughput and catch-up benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from sources.catalog import PRODUCT
from sources.kafka.options import COMMITTED
from tests.jobs.engine.test_events import BAD, FINE
from tests.support.kafka_broker import KafkaBroker

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
USERS, PRODUCTS = 2000, 200
Insights = dict[tuple[datetime, str], list[Decimal]]
"""Orders, discounted orders, units, gross revenue and discount amount by window and product."""


def publish(
    broker: KafkaBroker,
    count: int,
    partitions: int = 2,
    *,
    seed: int = 1,
    products: int = PRODUCTS,
    late: float = 0,
) -> None:
    """Create the product stream's topic and put `count` messages on it: ten minutes of orders by event time.

    The first ones are the tests' bad input and unusually spelled good input. `late`: the share of orders that
    are an hour older, behind the watermark of every batch but the first.
    """
    broker.create_topic(PRODUCT.topic, partitions=partitions)
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, "linger.ms": 50, "batch.num.messages": 100_000, "acks": "1"}
    )
    unusual = [value for value, _ in (*BAD.values(), *FINE.values()) if value and len(value) < 2**20]
    for number, one in enumerate(unusual):
        producer.produce(PRODUCT.topic, one.replace(b'"e-1"', b'"unusual-%d"' % number), partition=0)
    random = Random(seed)
    for number in range(len(unusual), count):
        time = START + timedelta(seconds=600 * number / count)
        if late and random.random() < late:
            time -= timedelta(hours=1)
        value = (
            f'{{"event_id":"{random.getrandbits(64):016x}","user_id":"user-{random.randrange(USERS)}",'
            f'"product_id":"product-{random.randrange(products)}","event_time":"{time:%Y-%m-%dT%H:%M:%S}Z",'
            f'"quantity":{random.randint(1, 5)},"unit_price":{random.randrange(100, 100_000) / 100}}}'
        )
        while True:
            try:
                producer.produce(PRODUCT.topic, value, partition=number % partitions)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def discounts(file: Path, users: int = USERS) -> Path:
    """Write a discounts file for one user and product in a hundred, each once: almost two rows a user."""
    random = Random(2)
    percents = {
        (user, random.randrange(PRODUCTS)): random.randrange(1, 101)
        for user in range(users)
        for _ in range(2)
    }
    lines = [f"user-{user},product-{product},{percent}" for (user, product), percent in percents.items()]
    file.write_text("\n".join(["user_id,product_id,discount_percent", *lines]) + "\n")
    return file


def insights(broker: KafkaBroker, topic: str) -> Insights:
    """Return what a job wrote to a result topic, by window and product."""
    found = {}
    for row in rows(broker, topic):
        numbers = ("orders", "discounted_orders", "units", "gross_revenue", "discount_amount")
        key = datetime.fromisoformat(row["window_start"]), row["product_id"]
        assert key not in found, f"{topic}: {key} twice"
        found[key] = [Decimal(row[name]) for name in numbers]
    return found


def rows(broker: KafkaBroker, topic: str) -> Iterator[dict[str, Any]]:
    """Yield the rows on a result topic of one partition, with numbers as Decimal."""
    consumer = Consumer({**COMMITTED, "bootstrap.servers": broker.bootstrap, "group.id": topic})
    place = TopicPartition(topic, 0, 0)
    _, end = consumer.get_watermark_offsets(place)
    consumer.assign([place])
    for _ in range(end):
        message = consumer.poll(30)
        assert message is not None
        yield json.loads(message.value() or b"", parse_float=Decimal)
    consumer.close()
