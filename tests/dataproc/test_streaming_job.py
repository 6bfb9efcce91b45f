"""The real job from Kafka into Delta, submitted by the real gcloud, with its driver killed on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable

from dataproc_emulator import DataprocEmulator
from jobs.laptop.promotion import package
from sources import kafka
from sources.base import Message
from sources.catalog import PRODUCT
from tests.dataproc.gcloud import REGION, Gcloud, eventually, states
from tests.sources.test_contract import options_of
from tests.support.kafka_broker import KafkaBroker
from tests.support.publishing import publish_all

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(900)]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTES = 12
JOB = "streaming_product_discounts"


@pytest.fixture
def topic(kafka_broker: KafkaBroker) -> Iterator[str]:
    kafka_broker.create_topic(PRODUCT.topic)
    yield PRODUCT.topic
    kafka_broker.delete_topic(PRODUCT.topic)


def publish(broker: KafkaBroker) -> None:
    """Publish two orders a minute: one mug for ann, two for bob, at 10.00 each."""
    messages = []
    for minute in range(MINUTES):
        for user, quantity, second in (("ann", 1, 10), ("bob", 2, 20)):
            at = NOON + timedelta(minutes=minute, seconds=second)
            value = (
                f'{{"event_id":"{user}-{minute}","user_id":"{user}","product_id":"mug",'
                f'"event_time":"{at.isoformat()}","quantity":{quantity},"unit_price":"10.00"}}'
            )
            messages.append(Message(PRODUCT.name, user.encode(), value.encode(), at))
    publish_all(kafka, options_of(kafka, f"--kafka-bootstrap-servers={broker.bootstrap}"), messages)


def test_a_killed_driver_goes_on_and_the_rows_are_exact(
    gcloud: Gcloud,
    dataproc: DataprocEmulator,
    bucket: str,
    kafka_broker: KafkaBroker,
    topic: str,
    tmp_path: Path,
) -> None:
    publish(kafka_broker)
    (tmp_path / "discounts.csv").write_text("user_id,product_id,discount_percent\nann,mug,10.00\n")
    gcloud.run("storage", "cp", str(tmp_path / "discounts.csv"), f"{bucket}/exact/")
    shipped = package.build(("kafka", "delta"), tmp_path)
    submitted = gcloud.submit(
        str(shipped.entry(JOB)),
        f"--py-files={shipped.archive}",
        "--jars=" + ",".join(map(str, shipped.jar_files)),
        "--max-failures-per-hour=3",
        "--async",
        *("--", "--source=kafka", f"--kafka-bootstrap-servers={kafka_broker.bootstrap}"),
        *(
            "--kafka-max-events-per-batch=4",
            "--trigger=available-now",
            f"--discounts={bucket}/exact/discounts.csv",
        ),
        *(
            "--sink=delta",
            f"--sink-path={bucket}/exact/rows",
            f"--checkpoint-root={bucket}/exact/checkpoints",
        ),
    )
    identity = submitted.stdout.strip()
    folder = dataproc.files.buckets / "rehearsal" / "exact"
    eventually(lambda: (folder / "checkpoints" / JOB / "kafka" / "commits" / "1").exists())
    os.killpg(int((dataproc.files.jobs / identity / "driver.pid").read_text()), signal.SIGKILL)
    gcloud.run("dataproc", "jobs", "wait", identity, REGION)
    expected = ["PENDING", "SETUP_DONE", "RUNNING", "ATTEMPT_FAILURE", "RUNNING", "DONE"]
    assert states(gcloud.job(identity)) == expected
    rows = sorted(
        DeltaTable(folder / "rows").to_pyarrow_table().to_pylist(), key=lambda row: row["window_start"]
    )
    assert rows == [
        {
            "window_start": NOON + timedelta(minutes=minute),
            "window_end": NOON + timedelta(minutes=minute + 1),
            "product_id": "mug",
            "orders": 2,
            "discounted_orders": 1,
            "units": 3,
            "gross_revenue": Decimal("30.00"),
            "discount_amount": Decimal("1.00"),
            "net_revenue": Decimal("29.00"),
        }
        for minute in range(MINUTES - 1)
    ]
