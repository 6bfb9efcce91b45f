"""Dead letters that are too old are deleted, and no others."""

from __future__ import annotations

import os
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.command_line import parse
from jobs.engine.dead_letter_retention import DeadLetterRetention, retention
from jobs.engine.run import run
from jobs.product_activity_windows import JOB as ACTIVITY
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, replay
from tests.jobs.laptop.dead_letters.kept import keep, line

JOB = "product_activity_windows/replay"
DAY = 86_400


def kept(folder: Path, batch: str, days: float, of: str = f"{JOB}/own", ended: bool = True) -> Path:
    """Write a batch of that age."""
    written = keep(folder, batch, line(1), of=of, ended=ended)
    for file in (*written.iterdir(), written):
        os.utime(file, (time.time() - days * DAY,) * 2)
    return written


def left(folder: Path) -> list[str]:
    return sorted(str(batch.relative_to(folder / JOB)) for batch in folder.glob(f"{JOB}/*/batch=*"))


class Told:
    """The checkpoint of `own`, with batches planned up to `planned`, and what a look at its letters says."""

    def __init__(self, spark: SparkSession, folder: Path, planned: int) -> None:
        self._spark, self._checkpoint = spark, folder / "checkpoint"
        for number in range(planned + 1):
            offsets = self._checkpoint / "offsets" / str(number)
            offsets.parent.mkdir(parents=True, exist_ok=True)
            offsets.touch()
        self.said: list[dict[str, Any]] = []

    def look(self, letters: str, keep: str = "2 days", shared: bool = True) -> None:
        def say(**fields: object) -> None:
            self.said.append(fields)

        place = f"{letters}/{JOB}/own"
        DeadLetterRetention(self._spark, place, str(self._checkpoint), keep, shared=shared, say=say).look()


def test_a_run_removes_what_is_older_than_asked_and_says_how_much(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = tmp_path / "dead"
    for batch, days in (("8", 3), ("9", 2.1), ("10", 1.9)):
        kept(dead, batch, days, of=f"{JOB}/reset")
    kept(dead, "1", 99, of="another_job/replay/x")
    kept(dead, "1", 99, of="product_activity_windows/kafka/x")
    command = [replay(tmp_path, BROWSING, [b"no event", event("a", 0)]), f"--dead-letter-dir={dead}"]
    command.append(f"--checkpoint-root={tmp_path / 'checkpoints'}")
    assert run(ACTIVITY, [*command, "--dead-letter-retention=2 days"]) == 0
    new, old = left(dead)
    assert (new[-8:], old) == ("/batch=0", "reset/batch=10")
    assert len(list(dead.glob("*/*/x/batch=1"))) == 2
    said = [one for one in capsys.readouterr().err.splitlines() if "dead_letter" in one]
    assert [one.partition(" job=")[2] for one in said] == [
        'product_activity_windows removed_dead_letter_batches=2 older_than="2 days"'
    ]


def test_the_batch_that_may_come_again_stays(spark: SparkSession, tmp_path: Path) -> None:
    for batch in ("3", "20", "21"):
        kept(tmp_path, batch, 9)
    told = Told(spark, tmp_path, planned=21)
    told.look(str(tmp_path))
    assert left(tmp_path) == ["own/batch=21"]
    assert told.said == [{"removed_dead_letter_batches": 2, "older_than": "2 days"}]
    told.look(str(tmp_path))
    assert len(told.said) == 1


def test_what_a_kill_left_goes_with_the_next_that_is_old(spark: SparkSession, tmp_path: Path) -> None:
    for batch, days, ended in (("1", 9, False), ("2", 9, True), ("3", 9, False), ("4", 0, True)):
        kept(tmp_path, batch, days, ended=ended)
    Told(spark, tmp_path, planned=5).look(str(tmp_path))
    assert left(tmp_path) == ["own/batch=3", "own/batch=4"]


@pytest.mark.parametrize(("keep", "shared"), [("2 days", False), ("10 days", True)])
def test_what_is_not_asked_for_stays(spark: SparkSession, tmp_path: Path, keep: str, shared: bool) -> None:
    kept(tmp_path, "1", 9, of=f"{JOB}/offsets")
    (tmp_path / JOB / "own" / "batch=x").mkdir(parents=True)
    told = Told(spark, tmp_path, planned=5)
    told.look(f"file://{tmp_path}", keep, shared)
    assert left(tmp_path) == ["offsets/batch=1", "own/batch=x"]
    assert told.said == []


def test_it_is_the_same_on_a_file_system_that_only_hadoop_knows(spark: SparkSession, tmp_path: Path) -> None:
    context: Any = spark._jsc
    context.hadoopConfiguration().set("fs.viewfs.mounttable.letters.link./dead", f"file://{tmp_path}")
    for batch, days in (("1", 9), ("10", 9), ("9", 9), ("11", 1)):
        kept(tmp_path, batch, days)
    told = Told(spark, tmp_path, planned=12)
    told.look("viewfs://letters/dead")
    assert left(tmp_path) == ["own/batch=11"]
    assert told.said == [{"removed_dead_letter_batches": 3, "older_than": "2 days"}]


def test_all_are_kept_if_asked(spark: SparkSession, tmp_path: Path) -> None:
    kept(tmp_path, "1", 9999)
    command = [replay(tmp_path, BROWSING, [event("a", 0)]), f"--dead-letter-dir={tmp_path}"]
    command.append(f"--checkpoint-root={tmp_path / 'checkpoints'}")
    assert run(ACTIVITY, [*command, "--dead-letter-retention=unlimited"]) == 0
    assert left(tmp_path) == ["own/batch=1"]


def test_thirty_days_are_kept_if_nothing_is_asked() -> None:
    assert parse(ACTIVITY, []).options.dead_letter_retention == "30 days"


@pytest.mark.parametrize("text", ["never", "30", "0 days", "-1 days"])
def test_an_age_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="expected unlimited or a time above zero like '30 days'"):
        retention(text)
