"""Runs of a job on an event set, as its command line does them, and everything it says and writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.engine.run import run
from sources.base import Record
from sources.catalog import PARTITIONS, partition_of
from sources.replay import files as replay_files
from tests.support import frames, streaming_reference
from tests.support.event_sets import DELAY, NOW, ORDERS, SKEW, EventSet
from tests.support.reference import Message, Offer, Row
from tests.support.streaming_reference import Streamed


@dataclass(frozen=True)
class Outcome:
    """`dead`: stream, offset and reason of every dead letter. `said`: the counts in the run's last line."""

    rows: list[Row]
    dead: list[tuple[str, int, str]]
    said: dict[str, int]


class Runner:
    """A runner of jobs in one folder, which holds input, checkpoints, results and dead letters."""

    def __init__(self, spark: SparkSession, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._spark, self._folder, self._capsys = spark, folder, capsys

    def replay(self, job: Job[Any], events: EventSet, streams: Sequence[str], *flags: str) -> Outcome:
        """Run on replay files, one per micro-batch, to the end of them."""
        for stream in streams:
            for number, batch in enumerate(events.batches[stream], 1):
                file = self._folder / "replay" / stream / f"{number:04}.jsonl"
                replay_files.write(file, (record(stream, message) for message in batch))
        return self.run(job, f"--replay-dir={self._folder / 'replay'}", *flags)

    def run(self, job: Job[Any], *flags: str) -> Outcome:
        """Run once; the outcome's rows and dead letters are those of all runs so far."""
        self._capsys.readouterr()
        places = (
            f"--checkpoint-root={self._folder / 'checkpoints'}",
            f"--dead-letter-dir={self._folder / 'dead'}",
            *("--sink=parquet", f"--sink-path={self._folder / 'rows'}", "--trigger=available-now"),
        )
        assert run(job, [*places, *flags]) == 0, self._capsys.readouterr().err
        return Outcome(self._rows(), self._dead(), said(self._capsys.readouterr().err))

    def discounts(self, offers: Iterable[Offer]) -> str:
        """Return the flag for a discounts file with these offers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "discounts.csv"
        file.write_text(csv(offers))
        return f"--discounts={file}"

    def _rows(self) -> list[Row]:
        files = list((self._folder / "rows").glob("batch=*/*.parquet"))
        if not files:
            return []
        return frames.rows(self._spark.read.parquet(str(self._folder / "rows")).drop("batch"))

    def _dead(self) -> list[tuple[str, int, str]]:
        files = (self._folder / "dead").glob("*/*/*/batch=*/*.txt")
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return sorted((line["stream"], line["offset"], line["reason"]) for line in lines)


def record(stream: str, message: Message) -> Record:
    """Return the message with a key, as a publisher stores it."""
    key = b"" if message.value is None else message.value[:40]
    return Record(
        stream=stream,
        key=key,
        value=message.value,
        event_at=message.published_at,
        partition=partition_of(key, PARTITIONS),
        offset=message.offset,
        published_at=message.published_at,
    )


def said(log: str) -> dict[str, int]:
    """Return the counts in a run's last line: `total_in=12 total_late=3 …`."""
    pairs = (pair.partition("=") for pair in log.strip().splitlines()[-1].split())
    return {name.removeprefix("total_"): int(value) for name, _, value in pairs if name.startswith("total_")}


def csv(offers: Iterable[Offer]) -> str:
    """Return a discounts file."""
    lines = [
        f"{offer.user_id},{offer.product_id},{offer.percent},"
        f"{offer.valid_from.isoformat() if offer.valid_from else ''},"
        f"{offer.valid_until.isoformat() if offer.valid_until else ''}"
        for offer in offers
    ]
    return "\n".join(["user_id,product_id,discount_percent,valid_from,valid_until", *lines, ""])


def expected_stream(events: EventSet, streams: Sequence[str]) -> Streamed:
    """Return what the reference makes of these streams of the set."""
    batches = {stream: events.batches[stream] for stream in streams}
    return streaming_reference.stream(batches, ORDERS, delay=DELAY, skew=SKEW, now=NOW)


def assert_equal(seed: int, rows: list[Row], expected: Streamed, actual: Outcome) -> None:
    """Check for equal rows, equal counts, and the reference's dead letters, each for the right field."""
    assert rows, f"seed {seed} gives no rows: it proves nothing"
    missing, unexpected = set(rows) - set(actual.rows), set(actual.rows) - set(rows)
    assert rows == actual.rows, f"seed {seed}: missing {missing}, unexpected {unexpected}"
    dead = {(s, at): wrong.fields for s, one in expected.counted.items() for at, wrong in one.dead.items()}
    assert sorted(dead) == [(stream, offset) for stream, offset, _ in actual.dead], f"seed {seed}"
    named = {(stream, offset): reason.split()[0] for stream, offset, reason in actual.dead}
    assert {at: name for at, name in named.items() if name not in dead[at]} == {}, f"seed {seed}"
    late = sum(one.late for one in expected.counted.values())
    counted = {"late": actual.said["late"], "dead": actual.said["dead"], "out": actual.said["out"]}
    assert counted == {"late": late, "dead": len(dead), "out": len(rows)}, f"seed {seed}"
