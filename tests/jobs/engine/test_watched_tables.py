"""A table's file that changes while a job runs: each call of `changed` is one look at it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.watched_tables import WatchedTables
from jobs.streaming_product_discounts import JOB
from jobs.tables.discounts import DISCOUNTS, DiscountTable
from sources.flags import Flag

HEADER = "user_id,product_id,discount_percent"
LONG = f"{HEADER},valid_from,valid_until"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "offers.csv"
    file.write_text(f"{HEADER}\nann,tea,10\n")
    return file


@pytest.fixture
def tables(spark: SparkSession, file: Path) -> WatchedTables:
    return WatchedTables(spark, JOB, {"discounts": str(file)}, interval=0)


def percents(tables: WatchedTables) -> list[Decimal]:
    return sorted(row.discount_percent for row in tables.current["discounts"].collect())


def test_a_changed_file_is_taken_at_the_second_look_and_once(tables: WatchedTables, file: Path) -> None:
    looks = [tables.changed()]
    file.write_text(f"{HEADER}\nann,tea,9.5\n")
    looks += [tables.changed() for _ in range(4)]
    assert [False, False, True, False, False] == looks
    assert [Decimal("9.50")] == percents(tables)


def test_a_file_that_is_being_written_is_not_taken_half(tables: WatchedTables, file: Path) -> None:
    file.write_text(f"{HEADER}\nann,tea,20\n")
    looks = [tables.changed()]
    for percent in (30, 40):
        with file.open("a") as growing:
            growing.write(f"ann,cup{percent},{percent}\n")
        looks.append(tables.changed())
    assert [False, False, False] == looks
    assert [Decimal(10)] == percents(tables)
    assert tables.changed()
    assert [Decimal(20), Decimal(30), Decimal(40)] == percents(tables)


@dataclass(eq=False)
class Growing:
    """The discounts, whose file is longer by one of these lines after each load."""

    flag: Flag
    lines: list[str]

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        loaded = DISCOUNTS.load(spark, path)
        if self.lines:
            with Path(path).open("a") as growing:
                growing.write(self.lines.pop())
        return loaded


def test_a_file_that_changes_while_it_is_loaded_is_not_taken_half(spark: SparkSession, file: Path) -> None:
    growing = Growing(DISCOUNTS.flag, [])
    tables = WatchedTables(spark, replace(JOB, tables=(growing,)), {"discounts": str(file)}, interval=0)
    file.write_text(f"{HEADER}\nann,tea,20\n")
    growing.lines.append("ann,cup,30\n")
    assert [False, False, False] == [tables.changed() for _ in range(3)]
    assert [Decimal(10)] == percents(tables)
    assert tables.changed()
    assert [Decimal(20), Decimal(30)] == percents(tables)


FAULTS: dict[str, bytes] = {
    "no header": b"\n",
    "nothing": b"",
    "a percent": f"{HEADER}\nann,tea,101\n".encode(),
    "a time after the last one in UTC": f"{LONG}\nann,tea,5,,9999-12-31T23:59:59-05:00\n".encode(),
    "a time before the first one in UTC": f"{LONG}\nann,tea,5,0001-01-01T00:00:00+05:00,\n".encode(),
    "another encoding": f"{HEADER}\nann,tea,5\n".encode("utf-16"),
    "bytes of all kinds": bytes(range(256)) * 50,
    "zeros, as after a power cut": bytes(4096),
    "an open quotation": f'{HEADER}\n"ann,tea,5\n'.encode(),
    "a line of a megabyte": f"{HEADER}\n{'x' * 2**20}".encode(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_reported_in_a_line_and_the_table_stays(
    tables: WatchedTables, file: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    file.write_bytes(FAULTS[fault])
    assert not any(tables.changed() for _ in range(4))
    said = capsys.readouterr().err
    assert said.startswith(f"streaming_product_discounts: {file}, line ")
    assert said.endswith("; the table as it was stays in use\n")
    assert 1 == said.count("\n")
    assert len(said) < 600
    assert [Decimal(10)] == percents(tables)
    file.write_text(f"{HEADER}\nann,tea,20\n")
    assert [False, True] == [tables.changed(), tables.changed()]
    assert [Decimal(20)] == percents(tables)


def test_a_deleted_file_is_reported_once_and_the_table_stays(
    tables: WatchedTables, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    assert not any(tables.changed() for _ in range(4))
    said = capsys.readouterr().err
    assert f"{file}: cannot be read (FileNotFoundException" in said
    assert said.endswith("; the table as it was stays in use\n")
    assert 1 == said.count("\n")
    assert [Decimal(10)] == percents(tables)


def test_a_folder_in_its_place_is_reported_and_the_table_stays(
    tables: WatchedTables, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    file.mkdir()
    assert not any(tables.changed() for _ in range(4))
    assert f"{file}: cannot be read" in capsys.readouterr().err
    assert [Decimal(10)] == percents(tables)


@dataclass(frozen=True)
class Broken:
    """A table with a bug that only certain content triggers."""

    flag: Flag

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        if Path(path).read_text():
            raise ZeroDivisionError("division\nby zero")
        return spark.range(1).toDF("id")


def test_a_bug_in_a_table_does_not_end_the_job(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "table"
    file.write_text("")
    job = replace(JOB, tables=(Broken(Flag("--broken", "", "", shapes_state=False)),))
    tables = WatchedTables(spark, job, {"broken": str(file)}, interval=0)
    file.write_text("x")
    assert not any(tables.changed() for _ in range(4))
    expected = f"{file}: ZeroDivisionError: division by zero; the table as it was stays in use\n"
    assert f"streaming_product_discounts: {expected}" == capsys.readouterr().err
    assert [0] == [row.id for row in tables.current["broken"].collect()]


def test_a_large_table_is_kept_until_the_next_one_is_in_use(spark: SparkSession, file: Path) -> None:
    job = replace(JOB, tables=(DiscountTable(DISCOUNTS.flag, literal_bytes=0),))
    tables = WatchedTables(spark, job, {"discounts": str(file)}, interval=0)
    before = tables.current["discounts"]
    file.write_text(f"{HEADER}\nann,tea,9.5\n")
    assert [False, True] == [tables.changed(), tables.changed()]
    after = tables.current["discounts"]
    assert [True, True] == [frame.storageLevel.useMemory for frame in (before, after)]
    assert [[Decimal(10)], [Decimal("9.50")]] == [
        [row.discount_percent for row in frame.collect()] for frame in (before, after)
    ]
    assert not tables.changed()
    assert [False, True] == [frame.storageLevel.useMemory for frame in (before, after)]
    after.unpersist()


@dataclass(eq=False)
class Slow:
    """A table whose load takes three seconds of every core from the second one on."""

    flag: Flag
    seconds: int = 0

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        naps = self.seconds * 5 * spark.sparkContext.defaultParallelism
        nap = F.expr("java_method('java.lang.Thread', 'sleep', 200L)")
        spark.range(0, naps, 1, max(1, naps)).select(nap).collect()
        self.seconds = 3
        return spark.range(1).toDF("id")


def test_a_batch_does_not_wait_until_a_table_is_read(spark: SparkSession, file: Path) -> None:
    job = replace(JOB, tables=(Slow(Flag("--slow", "", "", shapes_state=False)),))
    tables = WatchedTables(spark, job, {"slow": str(file)}, interval=0)
    file.write_text("changed")
    tables.changed()
    reader = threading.Thread(target=tables.changed)
    reader.start()
    deadline = time.monotonic() + 30
    while not spark.sparkContext.statusTracker().getActiveStageIds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    spark.range(10).count()
    assert reader.is_alive()
    reader.join()
    assert spark.sparkContext.getLocalProperty("spark.scheduler.pool") is None
