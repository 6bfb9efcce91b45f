"""Image 3.0 beside image 2.3: the same jobs by the real gcloud, on another Spark, Python and Java."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyarrow.parquet import ParquetFile

from dataproc_emulator import DataprocEmulator
from dataproc_emulator.images import IMAGES
from dataproc_emulator.installation import install
from jobs import popular_products_recommendation, streaming_product_discounts
from jobs.engine.job import Job
from jobs.laptop.promotion import submit
from sources import kafka
from sources.base import Message
from sources.catalog import BROWSING, PRODUCT, PURCHASE
from tests.dataproc.gcloud import REGION, Gcloud
from tests.sources.test_contract import options_of
from tests.support.kafka_broker import KafkaBroker
from tests.support.publishing import publish_all
from tests.support.topic import stored

pytestmark = [
    pytest.mark.needs("gcloud"),
    pytest.mark.needs("python3.12"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

CLUSTERS = {"2.3-debian12": "spark-streaming", "3.0-debian13": "modern"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEXT_DAY = NOON + timedelta(days=1)
Release = Callable[..., None]
DISCOUNTS, POPULAR = streaming_product_discounts.JOB, popular_products_recommendation.JOB
PARTS = """
import sys
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.getOrCreate()
java = spark._jvm.java.lang.System.getProperty("java.version")
print("parts", spark.version, spark._jvm.scala.util.Properties.versionNumberString(), java)
worker = F.udf(lambda _: sys.version.split()[0])
print("pythons", sys.version.split()[0], spark.range(1).select(worker("id")).first()[0])
"""


@pytest.fixture(scope="module", autouse=True)
def modern(gcloud: Gcloud, bucket: str) -> Iterator[None]:
    """Run a cluster of image 3.0 beside the one of 2.3."""
    install(IMAGES[1], print)
    gcloud.run(
        "dataproc", "clusters", "create", "modern", REGION, "--image-version=3.0-debian13",
        "--scopes=cloud-platform", "--bucket=rehearsal",
    )  # fmt: skip
    yield
    gcloud.run("dataproc", "clusters", "delete", "modern", REGION)


@pytest.fixture
def topics(kafka_broker: KafkaBroker) -> Iterator[None]:
    names = [stream.topic for stream in (PRODUCT, BROWSING, PURCHASE)]
    for name in names:
        kafka_broker.create_topic(name)
    yield
    for name in names:
        kafka_broker.delete_topic(name)


@pytest.fixture
def release(
    gcloud: Gcloud,
    dataproc: DataprocEmulator,
    kafka_broker: KafkaBroker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Release:
    """Return a function that submits a job for one run by the product's own command and waits for its end."""
    for name, value in dataproc.env.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "discounts.csv").write_text("user_id,product_id,discount_percent\nann,mug,10.00\n")

    def submitted(job: Job[Any], image: str, place: str, *flags: str) -> None:
        tables = [f"--discounts={tmp_path / 'discounts.csv'}"] if job is DISCOUNTS else []
        words = [
            f"--cluster={CLUSTERS[image]}", REGION, "--bucket=rehearsal", f"--image-version={image}",
            f"--output={tmp_path}", "--source=kafka", f"--kafka-bootstrap-servers={kafka_broker.bootstrap}",
            "--trigger=available-now", f"--checkpoint-root=gs://rehearsal/{place}/checkpoints",
            *tables, *flags,
        ]  # fmt: skip
        assert submit.command(job, words) == 0, capfd.readouterr().err
        (identity,) = re.findall(r"^JOB_ID=(\S+)$", capfd.readouterr().out, re.MULTILINE)
        gcloud.run("dataproc", "jobs", "wait", identity, REGION)

    return submitted


@pytest.mark.parametrize(
    ("cluster", "spark", "java", "python"),
    [
        ("modern", "4.1.2 2.13.17", r"21\.0\.\d+", "3.12"),
        ("spark-streaming", "3.5.3 2.12.18", r"\d+\.\d+\.\d+", "3.11"),
    ],
)
def test_a_program_runs_on_what_its_clusters_image_has(
    gcloud: Gcloud, tmp_path: Path, cluster: str, spark: str, java: str, python: str
) -> None:
    (tmp_path / "parts.py").write_text(PARTS)
    place = (f"--cluster={cluster}", REGION)
    said = gcloud.run("dataproc", "jobs", "submit", "pyspark", str(tmp_path / "parts.py"), *place).stderr
    assert re.search(rf"^parts {re.escape(spark)} {java}$", said, re.MULTILINE), said
    assert re.search(rf"^pythons {python}\.\d+ {python}\.\d+$", said, re.MULTILINE), said


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("sink", ["delta", "kafka"])
def test_the_discounts_reach_every_sink(
    release: Release, dataproc: DataprocEmulator, kafka_broker: KafkaBroker, sink: str
) -> None:
    publish(kafka_broker, *orders(0, 12))
    topic = f"discounts-{sink}"
    place = f"discounts/{sink}"
    out = ("--sink-topic", topic) if sink == "kafka" else ("--sink-path", f"gs://rehearsal/{place}/rows")
    if sink == "kafka":
        kafka_broker.create_topic(topic)
    release(DISCOUNTS, "3.0-debian13", place, f"--sink={sink}", *out)
    if sink == "kafka":
        found = [json.loads(record.value) for record in stored(kafka_broker.bootstrap, topic)]
        assert sorted((row["window_start"], row["net_revenue"]) for row in found) == [
            (f"2026-01-01T12:{minute:02}:00.000Z", 29.0) for minute in range(11)
        ]
    else:
        assert rows(dataproc.files.buckets / "rehearsal" / place / "rows") == discounts(range(11))


@pytest.mark.usefixtures("topics")
def test_a_checkpoint_of_image_2_3_goes_on_under_image_3_0(
    release: Release, dataproc: DataprocEmulator, kafka_broker: KafkaBroker
) -> None:
    """Stop each job with an open window, a join and deduplication in its state, and go on with the rest."""
    place = {job: f"moved/{job.name}" for job in (DISCOUNTS, POPULAR)}
    early, late = (*orders(0, 6), *shopping(0, 6)), (*orders(5, 12), *shopping(5, 12), *an_end())
    for image, messages in (("2.3-debian12", early), ("3.0-debian13", late)):
        publish(kafka_broker, *messages)
        for job, where in place.items():
            sink = ("--sink=parquet", f"--sink-path=gs://rehearsal/{where}/rows")
            release(job, image, where, *sink)
    found = {job: rows(dataproc.files.buckets / "rehearsal" / where / "rows") for job, where in place.items()}
    assert found == {DISCOUNTS: discounts(range(12)), POPULAR: POPULAR_ROWS}


def publish(broker: KafkaBroker, *messages: Message) -> None:
    publish_all(kafka, options_of(kafka, f"--kafka-bootstrap-servers={broker.bootstrap}"), list(messages))


def event(stream: str, name: str, user: str, at: datetime, quantity: int = 0) -> Message:
    order = {"quantity": quantity, "unit_price": "10.00"} if quantity else {}
    fields = {"event_id": name, "user_id": user, "product_id": "mug", "event_time": at.isoformat()}
    return Message(stream, user.encode(), json.dumps({**fields, **order}).encode(), at)


def orders(first: int, end: int) -> Iterator[Message]:
    """Yield two orders for each of these minutes: one mug for ann, two for bob, at 10.00 each."""
    for minute in range(first, end):
        for user, quantity, second in (("ann", 1, 10), ("bob", 2, 20)):
            at = NOON + timedelta(minutes=minute, seconds=second)
            yield event(PRODUCT.name, f"{user}-{minute}", user, at, quantity)


def shopping(first: int, end: int) -> Iterator[Message]:
    """Yield a purchase of ann's and one of bob's for each minute; only ann has viewed, once, at noon."""
    if not first:
        yield event(BROWSING.name, "view", "ann", NOON)
    for minute in range(first, end):
        for user, quantity, second in (("ann", 1, 10), ("bob", 2, 20)):
            at = NOON + timedelta(minutes=minute, seconds=second)
            yield event(PURCHASE.name, f"{user}-{minute}", user, at, quantity)


def an_end() -> Iterator[Message]:
    """Yield events of the next day, which make the first day's windows final."""
    yield event(PRODUCT.name, "end", "zoe", NEXT_DAY, 1)
    yield event(BROWSING.name, "end", "zoe", NEXT_DAY)
    yield event(PURCHASE.name, "end", "zoe", NEXT_DAY, 1)


def rows(table: Path) -> list[dict[str, Any]]:
    """Return the rows of a Delta table or of Parquet files, by window."""
    if (table / "_delta_log").exists():
        found = DeltaTable(table).to_pyarrow_table().to_pylist()
    else:
        files = table.glob("batch=*/*.parquet")
        read = [ParquetFile(file, coerce_int96_timestamp_unit="us").read().to_pylist() for file in files]
        found = [{name: in_utc(value) for name, value in row.items()} for part in read for row in part]
    return sorted(found, key=lambda row: row["window_start"])


def in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def discounts(minutes: range) -> list[dict[str, Any]]:
    return [
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
        for minute in minutes
    ]


POPULAR_ROWS = [
    {
        "window_start": NOON + timedelta(minutes=minute),
        "window_end": NOON + timedelta(minutes=minute + 10),
        "product_id": "mug",
        "purchases": purchases,
        "buyers": 1,
        "units": purchases,
        "revenue": revenue,
        "rank": 1,
    }
    for minute, purchases, revenue in ((0, 10, Decimal("100.00")), (10, 2, Decimal("20.00")))
]
