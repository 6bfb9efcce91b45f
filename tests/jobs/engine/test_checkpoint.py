"""The checkpoint guard: continue, or refuse with what has changed and the command that starts over."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.engine.checkpoint import CheckpointError, Contract, delete, open_checkpoint, query_shape

CONTRACT = Contract(
    job="job",
    source="kafka",
    streams={"product-stream": "id-1"},
    settings={"--window": "1 minute"},
    query=["Aggregate [window], [count(1)]"],
    reads=["product-stream"],
)
CHANGES: dict[str, dict[str, Any]] = {
    "--window was 1 minute, now 5 minutes": {"settings": {"--window": "5 minutes"}},
    "--top was not set, now 3": {"settings": {"--window": "1 minute", "--top": "3"}},
    "product-stream was recreated (id was id-1, now id-2)": {"streams": {"product-stream": "id-2"}},
    "browsing-stream was not read before": {"streams": {"product-stream": "id-1", "browsing-stream": "id-9"}},
    "product-stream is no longer read": {"streams": {}},
    "the job's query has changed": {"query": ["Aggregate [window], [sum(quantity)]"]},
    "the order in which the job reads its streams has changed": {"reads": ["browsing-stream"]},
}


def test_the_same_contract_continues(spark: SparkSession, tmp_path: Path) -> None:
    first = open_checkpoint(spark, str(tmp_path), CONTRACT)
    (tmp_path / "job" / "kafka" / "offsets").mkdir()
    (tmp_path / "job" / "kafka" / "offsets" / "0").write_text("v1")
    second = open_checkpoint(spark, str(tmp_path), CONTRACT)
    assert (first.path, first.fresh) == (f"{tmp_path}/job/kafka", True)
    assert second == replace(first, fresh=False)


@pytest.mark.parametrize(("said", "change"), CHANGES.items())
def test_another_contract_is_refused(
    spark: SparkSession, tmp_path: Path, said: str, change: dict[str, Any]
) -> None:
    open_checkpoint(spark, str(tmp_path), CONTRACT)
    remedy = f"twinstream reset job --source kafka --checkpoint-root {tmp_path}"
    with pytest.raises(CheckpointError, match=f"{re.escape(said)}; .*{re.escape(remedy)}$"):
        open_checkpoint(spark, str(tmp_path), replace(CONTRACT, **change))


def test_the_same_query_as_another_spark_prints_it_continues(spark: SparkSession, tmp_path: Path) -> None:
    """Spark 3.5 prints a column renamed to its own name, Spark 4.1 the column alone."""
    window = "Aggregate [window-T10000ms], [{}, count(1) AS orders]"
    old = replace(CONTRACT, query=[window.format("window-T10000ms AS window-T10000ms")])
    open_checkpoint(spark, str(tmp_path), old)
    assert open_checkpoint(spark, str(tmp_path), replace(old, query=[window.format("window-T10000ms")]))
    with pytest.raises(CheckpointError, match="the job's query has changed"):
        open_checkpoint(
            spark, str(tmp_path), replace(old, query=[window.format("window-T10000ms AS window")])
        )


def test_a_checkpoint_of_another_job_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    open_checkpoint(spark, str(tmp_path), CONTRACT)
    (tmp_path / "job").rename(tmp_path / "other")
    with pytest.raises(CheckpointError, match="it belongs to job job"):
        open_checkpoint(spark, str(tmp_path), replace(CONTRACT, job="other"))


def test_what_is_not_ours_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "job" / "kafka" / "offsets").mkdir(parents=True)
    (tmp_path / "job" / "kafka" / "offsets" / "0").write_text("v1")
    with pytest.raises(CheckpointError, match=r"not a checkpoint of twinstream \(no twinstream.json\)"):
        open_checkpoint(spark, str(tmp_path), CONTRACT)


@pytest.mark.parametrize("name", ["twinstream.json.writing", ".writable", ".writable.writing"])
def test_a_kill_while_it_is_begun_leaves_a_checkpoint_that_can_be_begun(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    (tmp_path / "job" / "kafka").mkdir(parents=True)
    (tmp_path / "job" / "kafka" / name).write_text("{")
    assert open_checkpoint(spark, str(tmp_path), CONTRACT).fresh


def test_a_batch_whose_plan_was_not_written_whole_was_never_planned(
    spark: SparkSession, tmp_path: Path
) -> None:
    open_checkpoint(spark, str(tmp_path), CONTRACT)
    (tmp_path / "job" / "kafka" / "offsets").mkdir()
    (tmp_path / "job" / "kafka" / "offsets" / ".0.3f2a.tmp").write_text("v1")
    assert open_checkpoint(spark, str(tmp_path), CONTRACT).fresh


def test_a_reset_that_is_killed_leaves_nothing_that_looks_whole(spark: SparkSession, tmp_path: Path) -> None:
    path = open_checkpoint(spark, str(tmp_path), CONTRACT).path
    deleted: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.engine.files.delete", lambda _, path: deleted.append(path))
        delete(spark, path)
    assert deleted == [f"{path}/twinstream.json", path]


def test_a_broken_contract_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    open_checkpoint(spark, str(tmp_path), CONTRACT)
    (tmp_path / "job" / "kafka" / "twinstream.json").write_text("{")
    (tmp_path / "job" / "kafka" / ".twinstream.json.crc").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match=r"twinstream\.json: broken"):
        open_checkpoint(spark, str(tmp_path), CONTRACT)


def test_a_folder_that_cannot_be_written_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be written .* see --checkpoint-root"):
        open_checkpoint(spark, str(tmp_path / "file"), CONTRACT)


def test_a_checkpoint_that_can_no_longer_be_written_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    open_checkpoint(spark, str(tmp_path), CONTRACT)
    (tmp_path / "job" / "kafka" / ".writable.writing").mkdir()  # blocks the superuser too
    with pytest.raises(CheckpointError, match=r"job/kafka: cannot be written .* see --checkpoint-root"):
        open_checkpoint(spark, str(tmp_path), CONTRACT)


def test_the_query_shape_of_a_stream_names_its_operators(spark: SparkSession) -> None:
    stream = spark.readStream.format("rate").load().withWatermark("timestamp", "1 second")
    counted = stream.dropDuplicatesWithinWatermark(["value"]).groupBy("value").count()
    assert [line.split(" ")[0] for line in query_shape(counted)] == [
        "Aggregate",
        "DeduplicateWithinWatermark",
    ]


def test_the_query_shape_is_its_stateful_operators_only(spark: SparkSession) -> None:
    events = spark.range(3).withColumn("key", F.col("id") % 2)
    counted = events.groupBy("key").agg(F.count("*").alias("n"))
    shape = query_shape(counted)
    assert [line.split(" ")[0] for line in shape] == ["Aggregate"]
    assert shape == query_shape(events.groupBy("key").agg(F.count("*").alias("n")))
    assert shape != query_shape(events.groupBy("key").agg(F.sum("id").alias("n")))
    assert shape == query_shape(counted.withColumn("twice", F.col("n") * 2))
