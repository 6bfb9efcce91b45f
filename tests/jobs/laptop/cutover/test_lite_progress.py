"""The position of a run on Pub/Sub Lite, from a checkpoint written by hand and a real emulator."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from google.cloud.pubsublite_v1 import CursorServiceClient
from pyspark.sql import SparkSession

from jobs.engine.checkpoint import CONTRACT, Contract
from jobs.laptop.cutover.lite_progress import Partition, lite_progress
from jobs.laptop.cutover.migration import parse_migration
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from pubsublite_emulator import Emulator
from sources import pubsublite
from sources.base import Message
from sources.catalog import PRODUCT
from sources.flags import Parser
from sources.instants import parse
from sources.pubsublite.paths import subscription_path
from sources.pubsublite.resources import endpoint
from tests.support.lite import led
from tests.support.publishing import publish_all

METADATA = '{"batchWatermarkMs":1767268810000,"batchTimestampMs":1,"conf":{}}'


def test_a_partition_that_no_batch_has_read_stands_at_its_cursor(spark: SparkSession, tmp_path: Path) -> None:
    made = parse_migration(
        DISCOUNTS, Parser(), [f"--checkpoint-root={tmp_path}", "--output-mode=update", "--sink=console"]
    )
    checkpoint = Path(made.old_checkpoint)
    checkpoint.mkdir(parents=True)
    contract = Contract(DISCOUNTS.name, "pubsublite", {}, {}, [], [PRODUCT.name])
    (checkpoint / CONTRACT).write_text(json.dumps({"contract": asdict(contract)}))
    for log in ("commits", "offsets"):
        (checkpoint / log).mkdir()
        for number in ("9", "10"):
            (checkpoint / log / number).write_text(f'v1\n{METADATA}\n{{"0":1}}')
    with Emulator() as lite, led(lite):
        pubsublite.create([PRODUCT], made.old.source.options)
        keys = (b"abc", b"21")  # one for each partition
        messages = [Message(PRODUCT.name, key, b"{}", parse("2026-01-01T12:00:00Z")) for key in keys * 4]
        publish_all(pubsublite, made.old.source.options, messages)
        with CursorServiceClient(client_options=endpoint(made.old.source.options)) as cursors:
            subscription = {"subscription": subscription_path(PRODUCT, made.old.source.options)}
            cursors.commit_cursor({**subscription, "partition": 1, "cursor": {"offset": 3}})
        found = lite_progress(spark, made)
    assert found.partitions == (
        Partition("product-stream", 0, 2, None, 4),
        Partition("product-stream", 1, 3, 3, 4),
    )
    assert [part.unread for part in found.partitions] == [2, 1]
    assert (found.batches.last, found.batches.begun) == (10, False)
    assert (found.finished, found.by) == (
        parse("2026-01-01T12:00:00Z"),
        "the watermark of the last committed batch",
    )
