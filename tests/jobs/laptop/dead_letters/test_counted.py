"""The way from dead letter to counted row by commands, on a real broker."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.run import run
from jobs.laptop.commands import main
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources import kafka
from sources.base import Message
from sources.catalog import PRODUCT
from tests.sources.test_contract import options_of
from tests.support.kafka_broker import KafkaBroker
from tests.support.publishing import publish_all

pytestmark = pytest.mark.slow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROUNDED = """
import json

def mend(value):
    event = json.loads(value)
    return json.dumps({**event, "unit_price": round(event["unit_price"], 2)}).encode()
"""
SENT = "1 sent, 0 sent before, 0 left by the filter, 0 failed\n"
AGAIN = "0 sent, 1 sent before, 0 left by the filter, 0 failed\n"


@pytest.fixture
def topic(kafka_broker: KafkaBroker) -> Iterator[KafkaBroker]:
    kafka_broker.create_topic(PRODUCT.topic)
    yield kafka_broker
    kafka_broker.delete_topic(PRODUCT.topic)


def order(name: str, second: int, quantity: int, price: float = 10) -> bytes:
    fields = {"event_id": name, "user_id": "ann", "product_id": "mug", "quantity": quantity}
    at = (NOON + timedelta(seconds=second)).isoformat()
    return json.dumps({**fields, "unit_price": price, "event_time": at}).encode()


def publish(broker: str, *values: bytes) -> None:
    header = {"trace": [b"1"]}
    messages = [Message(PRODUCT.name, b"ann", value, NOON, header) for value in values]
    publish_all(kafka, options_of(kafka, broker), messages)


def test_a_framed_a_gzipped_and_a_rounded_order_are_mended_and_each_is_counted_once(
    spark: SparkSession, topic: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker, letters = f"--kafka-bootstrap-servers={topic.bootstrap}", f"--dead-letter-dir={tmp_path / 'dead'}"
    places = [f"--checkpoint-root={tmp_path / 'checkpoints'}", f"--sink-path={tmp_path / 'rows'}", letters]
    job = ["--source=kafka", broker, "--sink=parquet", "--trigger=available-now", *places]
    framed, zipped = b"\0\0\0\0\7" + order("b", 2, 20), gzip.compress(order("c", 3, 300))
    publish(broker, order("a", 1, 1), framed, zipped, order("d", 4, 4000, 9.989999999999998))
    assert run(DISCOUNTS, job) == 0
    capsys.readouterr()
    assert main(["dead-letters", "list", letters]) == 0
    listed = [re.split("  +", line.strip()) for line in capsys.readouterr().out.splitlines()[1:]]
    assert {cells[4]: cells[3] for cells in listed} == {
        "product-stream/0/1": "value is not one JSON object (a schema registry's 5 bytes before it)",
        "product-stream/0/2": "value is not UTF-8 (gzip)",
        "product-stream/0/3": "unit_price has more than 2 places",
    }
    (tmp_path / "mend.py").write_text(ROUNDED)
    for mend in (
        ["--reason=schema registry", "--filter=tail -c +6"],
        ["--reason=gzip", "--filter=gzip -dc"],
        ["--reason=unit_price", f"--function={tmp_path / 'mend.py'}:mend"],
    ):
        for said in (SENT, AGAIN):
            assert main(["dead-letters", "resend", letters, "--source=kafka", broker, *mend]) == 0
            assert capsys.readouterr().out == said
    records = islice(kafka.records(PRODUCT, options_of(kafka, broker)), 4, 7)
    sent = [(one.key, one.event_at, one.attributes) for one in records if one]
    assert sent == [(b"ann", NOON, {"trace": [b"1"]})] * 3
    publish(broker, order("end", 300, 1))
    assert run(DISCOUNTS, job) == 0
    (row,) = spark.read.parquet(str(tmp_path / "rows")).collect()
    # 1, 20 and 300 for 10, then 4000 for 9.99
    assert (row.orders, row.units, str(row.gross_revenue)) == (4, 4321, "43170.00")
