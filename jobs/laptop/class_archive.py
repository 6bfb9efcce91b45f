"""Java's class archive (AppCDS): a job's JVM maps its classes from one file instead of loading them again.

An image build makes it once: `python -m jobs.laptop.class_archive FILE`. A session uses the archive that
TWINSTREAM_CLASS_ARCHIVE names.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.session import local_settings, session
from jobs.sinks.delta import SETTINGS

JAR_SETS = ("kafka", "delta")
"""The jar sets of compose's jobs, in class-path order."""


def make(archive: Path) -> None:
    """Run a query like the jobs', from JSON via state to a Delta table, and archive the loaded classes."""
    options = local_settings(JAR_SETS)["spark.driver.extraJavaOptions"]
    options = f"{options} -XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off"
    spark = session("archive", JAR_SETS, {**SETTINGS, "spark.driver.extraJavaOptions": options})
    with tempfile.TemporaryDirectory() as folder:
        _run_a_query(spark, folder)
    java: Any = spark.sparkContext._gateway
    spark.stop()
    java.shutdown()
    java.proc.stdin.close()
    java.proc.wait()  # the JVM writes the archive when it exits


def _run_a_query(spark: SparkSession, folder: str) -> None:
    def upsert(batch: DataFrame, number: int) -> None:
        batch.persist()
        if number == 0:
            batch.write.format("delta").save(f"{folder}/rows")
        batch.createOrReplaceTempView("new_rows")
        batch.sparkSession.sql(
            f"merge into delta.`{folder}/rows` old using new_rows new on old.start <=> new.start"
            " when matched then update set * when not matched then insert *"
        )

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
    query = output.outputMode("update").foreachBatch(upsert).option("checkpointLocation", f"{folder}/c")
    query.trigger(availableNow=True).start().awaitTermination()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
