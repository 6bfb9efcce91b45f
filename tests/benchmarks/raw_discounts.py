"""The discounts job as one writes it by hand, without twinstream: what throughput is measured against.

`--style usual`: `from_json`, `select("e.*")`, `filter`. `--style tuned`: the same behind a generator, so that
JSON is parsed once. Both validate as far as Spark's own functions do it in a line, drop duplicates, join,
aggregate and write to Kafka; neither keeps dead letters. `--settings default` leaves Spark's own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime.java import java_home
from jobs.runtime.session import LOOPBACK, local_settings, session

SCHEMA = (
    "event_id string, user_id string, product_id string, event_time timestamp, quantity int,"
    " unit_price decimal(18,2)"
)
VALID = (
    "event_id <> '' and user_id <> '' and product_id <> '' and event_time is not null and quantity >= 1"
    " and unit_price >= 0 and event_time <= timestamp + interval 10 minutes"
)


def spark_session(settings: str) -> SparkSession:
    """Spark with the jobs' settings or with its own, Kafka's jars in both."""
    if settings == "tuned":
        return session("raw", ("kafka",))
    os.environ["JAVA_HOME"] = str(java_home())
    builder = SparkSession.builder.master("local[*]").config("spark.driver.host", LOOPBACK)
    tuned = local_settings(("kafka",))
    for name in ("spark.driver.memory", "spark.driver.extraClassPath", "spark.ui.showConsoleProgress"):
        builder = builder.config(name, tuned[name])
    return builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()


def insights(raw: DataFrame, discounts: DataFrame, style: str) -> DataFrame:
    """The job's query."""
    text = F.col("value").cast("string")
    if style == "tuned":
        parsed = raw.select("timestamp", F.inline(F.array(F.from_json(text, SCHEMA))))
    else:
        parsed = raw.select("timestamp", F.from_json(text, SCHEMA).alias("e")).select("timestamp", "e.*")
    once = (
        parsed.filter(VALID)
        .withWatermark("event_time", "10 seconds")
        .dropDuplicatesWithinWatermark(["event_id"])
    )
    gross = (F.col("unit_price") * F.col("quantity")).cast("decimal(18,2)")
    return (
        once.join(F.broadcast(discounts), ["user_id", "product_id"], "left")
        .withColumn("gross", gross)
        .withColumn("discount", F.round(F.coalesce(F.col("gross") * F.col("percent") / 100, F.lit(0)), 2))
        .groupBy(F.window("event_time", "1 minute"), "product_id")
        .agg(
            F.count("*").alias("orders"),
            F.count("percent").alias("discounted_orders"),
            F.sum("quantity").alias("units"),
            F.sum("gross").alias("gross_revenue"),
            F.sum("discount").alias("discount_amount"),
        )
    )


def main() -> int:
    """Run to the end of the topic; says the seconds in batches as the jobs do."""
    parser = argparse.ArgumentParser()
    for flag in ("--bootstrap", "--discounts", "--topic", "--style", "--settings", "--batch"):
        parser.add_argument(flag, required=True)
    options = parser.parse_args()
    spark = spark_session(options.settings)
    servers = {"kafka.bootstrap.servers": options.bootstrap}
    raw = (
        spark.readStream.format("kafka")
        .options(**servers, subscribe="product-stream-topic", startingOffsets="earliest")
        .option("maxOffsetsPerTrigger", options.batch)
        .load()
    )
    schema = "user_id string, product_id string, percent decimal(5,2)"
    rows = insights(raw, spark.read.csv(options.discounts, schema, header=True), options.style)
    with tempfile.TemporaryDirectory() as checkpoint:
        query = (
            rows.select(
                F.concat_ws("|", "window.start", "product_id").alias("key"),
                F.to_json(F.struct(*rows.columns)).alias("value"),
            )
            .writeStream.format("kafka")
            .options(**servers, topic=options.topic, checkpointLocation=checkpoint)
            .trigger(availableNow=True)
            .start()
        )
        query.awaitTermination()
    for progress in query.recentProgress:
        print(f"in={progress['numInputRows']} seconds={progress['durationMs']['triggerExecution'] / 1000}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
