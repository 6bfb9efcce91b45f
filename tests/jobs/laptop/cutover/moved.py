"""One cut-over of the discounts job as an operator performs it: everything real, publishing never stops."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from pyspark.sql import SparkSession

from jobs.engine.run import run
from jobs.laptop.cutover import command
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources import pubsublite
from sources.base import Message
from sources.catalog import PRODUCT
from sources.kafka.options import KafkaOptions
from sources.pubsublite.options import LiteOptions
from tests.jobs.laptop.cutover.live import OFFERS
from tests.support import frames
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess
from tests.support.reference import Row
from tests.support.runs import csv

KAFKA_PARTITIONS = 3


class Moved:
    """The job's runs on both brokers, in one folder."""

    def __init__(self, spark: SparkSession, broker: KafkaBroker, folder: Path) -> None:
        self._spark, self.folder = spark, folder
        (folder / "discounts.csv").write_text(csv(OFFERS))
        self.broker = f"--kafka-bootstrap-servers={broker.bootstrap}"
        self._flags = [
            *("--window=10 seconds", "--watermark=30 seconds", "--max-future-skew=20 seconds"),
            f"--discounts={folder / 'discounts.csv'}",
            f"--checkpoint-root={folder / 'checkpoints'}",
            *("--sink=delta", f"--sink-path={folder / 'rows'}", "--trigger=available-now"),
        ]
        self.on_lite = ["--source=pubsublite", *self._flags]
        self.lite = LiteOptions()
        self.kafka = KafkaOptions(broker.bootstrap)
        self._topics = broker

    def topic_anew(self) -> None:
        """Replace the Kafka topic with an empty one."""
        self._topics.delete_topic(PRODUCT.topic)
        self._topics.create_topic(PRODUCT.topic, KAFKA_PARTITIONS)

    def end(self, how: str, random: Random) -> None:
        """Run on Pub/Sub Lite and end at a random moment: graceful, uncommitted or killed."""
        while not any((self.folder / "rows").glob("*.parquet")):
            self.run_on_lite()
        self._run_until(random.uniform(0.5, 6))
        if how == "uncommitted":
            self._forget_the_last_commit()
        elif how == "killed":
            self._run_and_kill(random)

    def _run_until(self, seconds: float) -> None:
        """Run on Pub/Sub Lite again and again, and stop the last run by SIGTERM after that many seconds."""
        over = threading.Event()

        def stop() -> None:
            over.set()
            os.kill(os.getpid(), signal.SIGTERM)

        before = signal.signal(signal.SIGTERM, lambda *_: None)
        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            while not over.is_set():
                self.run_on_lite()
        finally:
            timer.join()
            signal.signal(signal.SIGTERM, before)

    def _forget_the_last_commit(self) -> None:
        """Leave the checkpoint as a crash between the sink's write and the batch's commit does."""
        commits = self.folder / "checkpoints" / DISCOUNTS.name / "pubsublite" / "commits"
        last = max(int(file.name) for file in commits.iterdir() if file.name.isdecimal())
        for name in (str(last), f".{last}.crc"):
            (commits / name).unlink(missing_ok=True)

    def _run_and_kill(self, random: Random) -> None:
        """Run on Pub/Sub Lite in a separate process, and kill it at a random moment."""
        with JobProcess(DISCOUNTS.name, *self.on_lite) as job:
            job.wait_for(r" batch=\d+ ")
            job.ends_within(random.uniform(0, 1.2))
            job.kill()

    def run_on_lite(self) -> None:
        """Run once on Pub/Sub Lite, to the end of the backlog."""
        assert run(DISCOUNTS, self.on_lite) == 0

    def plan(self) -> dict[str, Any]:
        """Return what `cutover` says when nothing is in the way."""
        code, planned = self.cutover()
        assert code == 0, planned
        return planned

    def prove(self) -> dict[str, Any]:
        """Return what `cutover --prove` says."""
        code, proof = self.cutover("--prove")
        assert code == int(proof["failed"])
        return proof

    def cutover(self, *flags: str) -> tuple[int, dict[str, Any]]:
        """Return the command's exit code and answer; a flag given here replaces the job's own."""
        names = {flag.partition("=")[0] for flag in flags}
        kept = [flag for flag in self.on_lite if flag.partition("=")[0] not in names]
        said = StringIO()
        with redirect_stdout(said):
            code = command.command(DISCOUNTS, [*kept, self.broker, "--format=json", *flags])
        return code, json.loads(said.getvalue())

    def go_on(self, planned: dict[str, Any]) -> None:
        """Run on Kafka as the plan's first command says, to the end of the backlog."""
        words: Sequence[str] = planned["sections"][0]["steps"][0]["command"]
        assert list(words[:3]) == ["twinstream", "run", DISCOUNTS.name]
        assert run(DISCOUNTS, words[3:]) == 0

    def rows(self) -> list[Row]:
        """Return what both runs have written."""
        return frames.rows(self._spark.read.format("delta").load(str(self.folder / "rows")))


def publish(options: LiteOptions, *messages: Message) -> None:
    """Publish to Pub/Sub Lite at once, but with publish times in order over all partitions."""
    refused: list[Exception] = []
    publisher = pubsublite.publisher(options)
    for start in range(0, len(messages), 100):
        publisher.publish(
            messages[start : start + 100], lambda _, failure: refused.append(failure) if failure else None
        )
        publisher.flush()
    publisher.close()
    assert refused == []


@contextmanager
def topics(broker: KafkaBroker, lite: LiteOptions) -> Iterator[None]:
    """Provide the stream's topics on both brokers, and its subscription."""
    pubsublite.create([PRODUCT], lite)
    broker.create_topic(PRODUCT.topic, KAFKA_PARTITIONS)
    try:
        yield
    finally:
        broker.delete_topic(PRODUCT.topic)
