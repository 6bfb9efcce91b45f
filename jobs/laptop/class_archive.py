"""Make Java's class archive (`jobs/engine/class_archive.py`) ahead of the first session.

`python -m jobs.laptop.class_archive`: an image build and the tests do that, so that no JVM of theirs has to.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.class_archive import adopt, place
from jobs.engine.java import java_home
from jobs.engine.session import session


def make() -> None:
    """Run a query like the jobs', from JSON via state to files, unless there is an archive already."""
    archive = place(java_home())
    if archive is None or archive.exists():
        return
    print("making Java's class archive, with which Spark starts in half the time", flush=True)
    spark = session("archive")
    with tempfile.TemporaryDirectory() as folder:
        _run_a_query(spark, folder)
    java: Any = spark.sparkContext._gateway
    spark.stop()
    java.shutdown()
    java.proc.stdin.close()
    java.proc.wait()  # the JVM writes the archive when it exits
    adopt(archive, settled=0)


def _run_a_query(spark: SparkSession, folder: str) -> None:
    def write(batch: DataFrame, number: int) -> None:
        batch.persist()
        batch.write.parquet(f"{folder}/rows/batch={number}")
        batch.filter("n > 1").orderBy("start").collect()

    Path(folder, "in").mkdir()
    for minute in range(3):
        event = f'{{"id": "{minute}", "at": "2026-01-01T12:0{minute}:00Z", "price": 1.25}}\n'
        Path(folder, "in", f"{minute}.json").write_text(event)
    lines = spark.readStream.option("maxFilesPerTrigger", 1).text(f"{folder}/in")
    parsed = F.from_json("value", "id string, at timestamp, price decimal(18,2)")
    events = lines.select(F.inline(F.array(parsed))).withWatermark("at", "10 seconds")
    minutes = (
        events.repartition("id").dropDuplicatesWithinWatermark(["id"]).groupBy(F.window("at", "1 minute"))
    )
    rows = minutes.agg(F.count("*").alias("n"), F.sum("price").alias("sum"))
    output = rows.select(F.col("window.start").alias("start"), "n", "sum").writeStream
    query = output.outputMode("update").foreachBatch(write).option("checkpointLocation", f"{folder}/c")
    query.trigger(availableNow=True).start().awaitTermination()


if __name__ == "__main__":
    make()
