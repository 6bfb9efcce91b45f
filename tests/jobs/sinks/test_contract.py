"""What every sink promises (`jobs/engine/sink.py`), asked of each one in the registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine import sink as sinks
from jobs.engine.sink import PathOptions, Results, SinkError, Write
from jobs.engine.terminal import printable
from jobs.sinks.bigquery import TableOptions
from jobs.sinks.kafka import TopicOptions
from pubsublite_emulator import Emulator
from sources.base import SourceError
from sources.choice import OwnOptions
from tests.bigquery.service import BigQuery
from tests.support import frames
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import stored

NOON, MINUTE = datetime(2026, 1, 1, 12, tzinfo=UTC), timedelta(minutes=1)
COLUMNS = (
    "window_start timestamp, window_end timestamp, product_id string, units bigint, revenue decimal(18,2)"
)
FINAL = Results("job", "application", ("window_start", "product_id"), ("window_start",), False, True)
LATER = replace(FINAL, fresh=False)
NAMES = ("a|b ☕", "it's `so`", 'say "x"\\', "two\nlines", "x" * 1024, "\u202eright to left")
Row = tuple[Any, ...]


@dataclass
class Place:
    """A sink's place, empty at first.

    `rows`: reads what readers find there, sorted; of a topic or a terminal, the last row of each key.
    `unusable`: options of a place that cannot be written; None if there is none. `keeps`: whether rows of
    another run can be told, so that a new checkpoint is refused there.
    """

    options: Any
    rows: Callable[[], list[Row]]
    unusable: Any | None
    keeps: bool = True


def row(minute: int, product: str, units: int, revenue: str = "1.25") -> Row:
    start = NOON + minute * MINUTE
    return (start, start + MINUTE, product, units, Decimal(revenue))


def frame(spark: SparkSession, *rows: Row) -> DataFrame:
    return spark.createDataFrame(list(rows), COLUMNS)


def of_files(request: pytest.FixtureRequest, name: str) -> Place:
    spark, folder = request.getfixturevalue("spark"), request.getfixturevalue("tmp_path")
    options = PathOptions(sink_path=str(folder / "rows"))
    (folder / "file").write_text("")

    def rows() -> list[Row]:
        found = sinks.load(name).written(spark, options)
        return [] if found is None else frames.rows(found)

    return Place(options, rows, PathOptions(sink_path=str(folder / "file" / "rows")))


def of_bigquery(request: pytest.FixtureRequest) -> Place:
    service: BigQuery = request.getfixturevalue("bigquery")
    options = TableOptions(sink_table="insights.rows")
    return Place(options, lambda: service.rows("insights.rows"), TableOptions(sink_table="nowhere.rows"))


def of_kafka(request: pytest.FixtureRequest) -> Place:
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    topic = f"sink-{request.node.name.partition('[')[0]}"
    broker.create_topic(topic)
    request.addfinalizer(lambda: broker.delete_topic(topic))

    def rows() -> list[Row]:
        last = {one.key: one.value for one in stored(broker.bootstrap, topic)}
        return sorted(map(parsed, last.values()))

    def parsed(value: bytes) -> Row:
        read = json.loads(value, parse_float=Decimal)
        times = (datetime.fromisoformat(read.pop(name)) for name in ("window_start", "window_end"))
        return (*times, *read.values())

    absent = TopicOptions(broker.bootstrap, sink_topic="sink-absent")
    return Place(TopicOptions(broker.bootstrap, sink_topic=topic), rows, absent, keeps=False)


def of_console(request: pytest.FixtureRequest) -> Place:
    capsys: pytest.CaptureFixture[str] = request.getfixturevalue("capsys")

    def rows() -> list[Row]:
        cells = (line.split(" | ") for line in capsys.readouterr().out.splitlines() if "12:" in line)
        last = {(start, name.rstrip()): (start, end, name, *rest) for start, end, name, *rest in cells}
        return sorted(
            (utc(start), utc(end), name.rstrip(), int(units), Decimal(revenue))
            for start, end, name, units, revenue in last.values()
        )

    return Place(OwnOptions(), rows, None, keeps=False)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PLACES: dict[str, Callable[[pytest.FixtureRequest], Place]] = {
    "bigquery": of_bigquery,
    "console": of_console,
    "delta": lambda request: of_files(request, "delta"),
    "kafka": of_kafka,
    "parquet": lambda request: of_files(request, "parquet"),
}


@pytest.fixture
def bigquery(spark: SparkSession) -> Iterator[BigQuery]:
    with Emulator() as lite, BigQuery(lite.files).running() as (service, settings), changed(spark, settings):
        yield service


@contextmanager
def changed(spark: SparkSession, settings: dict[str, str]) -> Iterator[None]:
    names = {f"spark.datasource.bigquery.{name}": value for name, value in settings.items()}
    for name, value in names.items():
        spark.conf.set(name, value)
    yield
    for name in names:
        spark.conf.unset(name)


@pytest.fixture(params=sinks.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, name: str) -> Place:
    return PLACES[name](request)


@pytest.fixture
def opened(spark: SparkSession, name: str, place: Place) -> Callable[[Results], Write]:
    return lambda results: sinks.load(name).open_sink(spark, place.options, results)


def test_batches_are_added_and_one_that_comes_again_counts_once(
    spark: SparkSession, place: Place, opened: Callable[[Results], Write]
) -> None:
    first, second = (row(0, "cup", 1, "0.10"), row(0, "mug", 2)), (row(1, "mug", 3),)
    write = opened(FINAL)
    write(frame(spark, *first), 0)
    write(frame(spark, *second), 1)
    opened(LATER)(frame(spark, *second), 1)
    assert place.rows() == [*first, *second]


@pytest.mark.parametrize("name", [name for name in sinks.names() if sinks.load(name).UPSERTS])
def test_running_totals_take_the_place_of_older_ones(
    spark: SparkSession, place: Place, opened: Callable[[Results], Write]
) -> None:
    write = opened(replace(FINAL, upsert=True))
    write(frame(spark, row(0, "mug", 1), row(0, "cup", 5), row(1, "mug", 7)), 0)
    for _ in range(2):
        write(frame(spark, row(0, "mug", 2, "2.50"), row(2, "mug", 1)), 1)
    assert place.rows() == [row(0, "cup", 5), row(0, "mug", 2, "2.50"), row(1, "mug", 7), row(2, "mug", 1)]


def test_a_batch_that_broke_off_in_the_middle_is_whole_when_it_comes_again(
    spark: SparkSession, place: Place, opened: Callable[[Results], Write]
) -> None:
    write = opened(FINAL)
    write(frame(spark, row(0, "mug", 1)), 0)
    rows = [row(1, "cup", 2), row(1, "mug", 3), row(1, "pot", 4)]
    batch = frame(spark, *rows).repartitionByRange(3, "product_id")
    broken = F.when(F.col("units") == 4, F.raise_error(F.lit("as after a crash")).cast("bigint"))
    with pytest.raises(Exception, match="as after a crash"):
        write(batch.withColumn("units", F.coalesce(broken, "units")), 1)
    opened(LATER)(batch, 1)
    assert place.rows() == [row(0, "mug", 1), *rows]


def test_every_id_is_kept_as_it_is(
    spark: SparkSession, name: str, place: Place, opened: Callable[[Results], Write]
) -> None:
    opened(FINAL)(frame(spark, *(row(at, product, 1) for at, product in enumerate(NAMES))), 0)
    shown = map(printable, NAMES) if name == "console" else NAMES
    assert [product for _, _, product, *_ in place.rows()] == list(shown)


def test_a_big_batch_is_whole(
    spark: SparkSession, name: str, place: Place, opened: Callable[[Results], Write], capsys: Any
) -> None:
    """Of more rows than go through the driver's Python."""
    start = f"timestamp'{NOON:%Y-%m-%d %H:%M:%S}Z' + make_dt_interval(0, 0, cast(id div 100 as int))"
    values = (start, f"{start} + interval 1 minute", "concat('p', id)", "id", "cast(1.25 as decimal(18,2))")
    names = ("window_start", "window_end", "product_id", "units", "revenue")
    batch = spark.range(6_000).selectExpr(*values).toDF(*names)
    opened(replace(FINAL, upsert=sinks.load(name).UPSERTS))(batch, 0)
    if name == "console":
        assert capsys.readouterr().out.splitlines()[-1] == "… and 5900 more rows"
    else:
        assert sorted(units for _, _, _, units, _ in place.rows()) == list(range(6_000))


def test_a_new_checkpoint_is_refused_where_rows_are_but_not_one_that_goes_on(
    spark: SparkSession, place: Place, opened: Callable[[Results], Write]
) -> None:
    opened(FINAL)(frame(spark, row(0, "mug", 1)), 0)
    if place.keeps:
        with pytest.raises(SinkError, match="already holds rows, but the checkpoint is new"):
            opened(replace(FINAL, application="another"))
    else:
        opened(replace(FINAL, application="another"))
    opened(LATER)(frame(spark, row(1, "mug", 2)), 1)
    assert place.rows() == [row(0, "mug", 1), row(1, "mug", 2)]


def test_a_place_that_cannot_be_written_is_told_before_the_first_batch(
    spark: SparkSession, name: str, place: Place
) -> None:
    if place.unusable is None:
        assert name == "console"
        return
    with pytest.raises((SinkError, SourceError)) as refused:
        sinks.load(name).open_sink(spark, place.unusable, FINAL)
    assert "\n" not in str(refused.value)
    assert refused.value.expected or refused.value.remedy
