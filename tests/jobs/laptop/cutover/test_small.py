"""A small cut-over, and everything that must stop one: a few thousand orders, a real broker, the emulator."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.engine import sink as sinks
from jobs.engine.checkpoint import held
from jobs.engine.job import Job
from jobs.engine.sink import PathOptions, SinkError, newest_window
from jobs.laptop.cutover import command
from jobs.laptop.cutover.checks import before
from jobs.laptop.cutover.migration import parse_migration
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from pubsublite_emulator import Emulator
from sources import kafka, pubsublite
from sources.base import Message
from sources.catalog import BROWSING, PRODUCT
from sources.flags import Parser
from tests.jobs.laptop.cutover.live import NOON, orders
from tests.jobs.laptop.cutover.mirror import Mirror
from tests.jobs.laptop.cutover.moved import KAFKA_PARTITIONS, Moved, publish, topics
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import led
from tests.support.publishing import publish_all
from tests.support.topic import delete_before

pytestmark = pytest.mark.slow
AT = "2026-01-01T12:00:"
ORDERS = list(islice(orders(77), 6000))
"""A minute of orders: the first 4,500 are for the run on Pub/Sub Lite."""


@pytest.fixture(scope="module")
def moved(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """Yield a cut-over with all events on Kafka, whose run on Pub/Sub Lite ended after the first 4,500."""
    with KafkaBroker() as broker, Emulator() as lite, led(lite, spark):
        moved = Moved(spark, broker, tmp_path_factory.mktemp("moved"))
        with topics(broker, moved.lite):
            publish(moved.lite, *(one.message for one in ORDERS[:4500]))
            moved.run_on_lite()
            publish(moved.lite, *(one.message for one in ORDERS[4500:]))
            with Mirror(PRODUCT, moved.lite, moved.kafka) as mirror:
                mirror.wait_for(len(ORDERS))
            yield moved


def refusals(moved: Moved, *flags: str) -> list[str]:
    code, planned = moved.cutover(*flags)
    assert (code, planned["refused"], planned["sections"]) == (1, True, [])
    return [f"{one['what']}: {one['why']}" for one in planned["findings"] if one["kind"] == "refused"]


def test_the_plan_says_where_the_old_run_stands(moved: Moved) -> None:
    planned = moved.plan()
    parts = planned["partitions"]
    assert [(one["stream"], one["partition"]) for one in parts] == [
        ("product-stream", 0),
        ("product-stream", 1),
    ]
    assert sum(one["processed"] for one in parts) == 4500
    assert sum(one["unread"] for one in parts) == 1500
    assert sum(one["committed"] for one in parts) == 4500
    # 4,500 orders are 45 seconds; minus a watermark of 30, one window of ten seconds is final.
    assert (planned["finished"], planned["finished_by"]) == (f"{AT}10Z", "the newest window in the sink")
    assert planned["start"] == "2026-01-01T11:59:40Z"
    assert planned["sections"][0]["steps"][0]["command"][-2:] == [
        "--kafka-starting=2026-01-01T11:59:40Z",
        f"--windows-after={AT}10Z",
    ]


def test_a_script_takes_the_new_runs_flags_alone(moved: Moved, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.command(DISCOUNTS, [*moved.on_lite, moved.broker, "--format=flags"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert shlex.split(line) == moved.plan()["sections"][0]["steps"][0]["command"][3:]
    with pytest.raises(SystemExit) as ended:
        command.command(DISCOUNTS, [*moved.on_lite, moved.broker, "--format=flags", "--prove"])
    assert ended.value.code == 2


def test_the_text_has_commands_mapping_and_losses(moved: Moved, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.command(DISCOUNTS, [*moved.on_lite, moved.broker]) == 0
    said = capsys.readouterr().out
    for part in (
        "start on Kafka: 2026-01-01T11:59:40Z",
        "twinstream run streaming_product_discounts --source=kafka",
        "twinstream submit streaming_product_discounts --cluster=CLUSTER",
        "twinstream cutover streaming_product_discounts --prove",
        "event_time   | timestamp",
        "- The checkpoint is not carried over",
    ):
        assert part in said


def test_a_running_job_is_not_moved(moved: Moved) -> None:
    with held(f"{moved.folder}/checkpoints/streaming_product_discounts/pubsublite"):
        (why,) = refusals(moved)
    assert "the job on Pub/Sub Lite is still running" in why


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        (
            "--window=1 minute",
            "--window was 10 seconds, now 1 minute: expected the flags of the run on Pub/Sub",
        ),
        (
            "--checkpoint-root=nowhere",
            "nowhere/streaming_product_discounts/pubsublite/twinstream.json: expected",
        ),
    ],
)
def test_another_run_than_the_one_that_was_is_refused(moved: Moved, flag: str, why: str) -> None:
    (found,) = refusals(moved, flag)
    assert found.startswith(why)


def refused_at_once(spark: SparkSession, job: Job[Any], *flags: str) -> list[str]:
    made = parse_migration(job, Parser(), [*flags, "--checkpoint-root=nowhere"])
    return [one.what for one in before(spark, made) if one.kind == "refused" and "nowhere" not in one.what]


def test_sinks_and_windows_that_cannot_count_once_are_refused(spark: SparkSession) -> None:
    assert refused_at_once(spark, DISCOUNTS, "--sink=console") == ["--sink console"]
    delta = ("--sink=delta", "--sink-path=rows")
    assert refused_at_once(spark, DISCOUNTS, *delta) == []
    assert refused_at_once(spark, ACTIVITY, *delta, "--window-type=session") == ["--window-type session"]


def test_a_half_written_batch_is_not_read(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "batch=3").mkdir()
    options = PathOptions(str(tmp_path))
    with pytest.raises(SinkError, match="batch=3: half written; expected a whole batch; remedy: run the job"):
        sinks.load("parquet").written(spark, options)


def test_the_envelopes_agree_in_what_the_mapping_keeps(spark: SparkSession, moved: Moved) -> None:
    """Compare key, value, attributes, and the producer's time or, without one, the publish time."""
    noon = NOON + timedelta(microseconds=123_000)
    messages = [
        Message(BROWSING.name, b"ann", b"{}", noon, {"trace": [b"1", b"", b"1"], "\u00fc": [b"\xff"]}),
        Message(BROWSING.name, b"\xff\xfe", b"\x00\xff", NOON),
        Message(BROWSING.name, None, b"no key", NOON),
        Message(BROWSING.name, b"", b"empty key", NOON),
        Message(BROWSING.name, b"bob", b"no time", None),
        Message(BROWSING.name, b"bob", b"", NOON),
    ]
    pubsublite.create([BROWSING], moved.lite)
    kafka.create([BROWSING], moved.kafka)
    publish(moved.lite, *messages)
    with Mirror(BROWSING, moved.lite, moved.kafka) as mirror:
        mirror.wait_for(len(messages))
    on_lite = envelopes(pubsublite.read(spark.readStream, BROWSING, moved.lite), pubsublite, moved.folder)
    on_kafka = envelopes(kafka.read(spark.readStream, BROWSING, moved.kafka), kafka, moved.folder)
    kept = ("stream", "key", "value", "attributes")
    assert len(on_kafka) == len(messages)
    for value, lite in on_lite.items():
        there = on_kafka[value]
        assert [there[name] for name in kept] == [lite[name] for name in kept]
        published_at = lite["published_at"].replace(
            microsecond=lite["published_at"].microsecond // 1000 * 1000
        )
        assert there["published_at"] == there["event_at"] == (lite["event_at"] or published_at)
    assert [on_kafka[value]["key"] for value in (b"no key", b"empty key")] == [None, None]
    assert on_kafka[b"{}"]["attributes"] == {"trace": [b"1", b"", b"1"], "\u00fc": [b"\xff"]}


def envelopes(raw: DataFrame, source: Any, folder: Path) -> dict[bytes, Row]:
    found: list[Row] = []
    query = (
        source.envelope(raw)
        .writeStream.foreachBatch(lambda frame, _: found.extend(frame.collect()))
        .option("checkpointLocation", str(folder / source.__name__))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(90)
    return {bytes(row["value"]): row for row in found}


def test_the_proof_finds_what_is_lost_and_what_is_twice(spark: SparkSession, moved: Moved) -> None:
    moved.go_on(moved.plan())
    rows = moved.folder / "rows"
    honest = moved.prove()["tally"]
    assert (honest["late"], honest["lost"], honest["twice"]) == (0, 0, 0)
    assert honest["by_old"] > 900
    assert honest["by_new"] > 900
    table = spark.read.format("delta").load(str(rows))
    (first,) = table.orderBy("window_start", "product_id").limit(1).collect()
    (last,) = table.orderBy(F.desc("window_start"), "product_id").limit(1).collect()
    spark.createDataFrame([first], table.schema).write.format("delta").mode("append").save(str(rows))
    newest = newest_window(table)
    assert newest
    spark.sql(
        f"delete from delta.`{rows}` where product_id = '{last.product_id}'"
        f" and window_end = timestamp '{newest.isoformat()}'"
    )
    found = moved.prove()
    assert found["failed"]
    assert found["tally"] == {
        **honest,
        "by_old": honest["by_old"] + first.orders, "twice": first.orders,
        "by_new": honest["by_new"] - last.orders, "lost": last.orders,
    }  # fmt: skip
    (why,) = refusals(moved)
    assert "a run on Kafka has begun there" in why


def test_a_topic_that_lacks_events_is_refused(moved: Moved) -> None:
    """Plan as before the run on Kafka, with topics that are not the mirror's."""
    shutil.rmtree(moved.folder / "checkpoints" / DISCOUNTS.name / "kafka")

    def anew(*messages: Message) -> None:
        moved.topic_anew()
        publish_all(kafka, moved.kafka, messages)

    sent = [one.message for one in ORDERS]
    anew()
    assert refusals(moved) == ["topic product-stream-topic: is empty; expected Pub/Sub Lite's events"]
    anew(*sent[3000:])
    (why,) = refusals(moved)
    assert "Pub/Sub Lite's oldest event is not there: it began too late" in why
    anew(*sent)
    delete_before(
        moved.kafka.kafka_bootstrap_servers, PRODUCT.topic, dict.fromkeys(range(KAFKA_PARTITIONS), 50)
    )
    (why,) = refusals(moved)
    assert why.startswith(
        "topic product-stream-topic, partition 0, 1, 2: retention has taken events; expected"
    )
