"""The discounts job as one would write it by hand, without twinstream: a baseline of benchmarks.

`--style usual`: `from_json`, `select("e.*")`, `filter`. `--style tuned`: the same behind a generator, so that
JSON is parsed once. `--checks strict` refuses what the job refuses (`throughput` compares the rows);
`--checks lax` refuses what Spark's own functions find in one line. All drop duplicates, join, aggregate and
write to Kafka. `--settings default` keeps Spark's own. `--letters FOLDER` also keeps what the strict checks
refuse, by `foreachBatch`: both parts of a cached batch are written, the second one as JSON.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import StreamingQueryListener
from pyspark.sql.streaming.readwriter import DataStreamWriter

from jobs.engine.java import java_home
from jobs.engine.session import LOOPBACK, after_spark, local_settings, session

NAMES = ("event_id", "user_id", "product_id")
LAX_SCHEMA = (
    "event_id string, user_id string, product_id string, event_time timestamp, quantity int,"
    " unit_price decimal(18,2)"
)
LAX = (
    "event_id <> '' and user_id <> '' and product_id <> '' and event_time is not null and quantity >= 1"
    " and unit_price >= 0 and event_time <= timestamp + interval 10 minutes"
)
STRICT_SCHEMA = (
    "event_id string, user_id string, product_id string, event_time string, quantity int, unit_price string"
)
STRICT = " and ".join(
    (
        "values = 2 and decode(value, 'UTF-8') = text",
        *(rf"""{name} <> '' and text rlike r'"{name}"\s*:\s*"'""" for name in NAMES),
        r"event_time rlike r'^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\z'",
        "try_cast(upper(event_time) as timestamp) >= timestamp '1970-01-01T00:00:00Z'",
        "try_cast(upper(event_time) as timestamp) <= timestamp + interval 10 minutes",
        r"unit_price rlike r'^-?(\d{1,16}(\.\d{1,2}0*)?|\d(\.\d{1,14})?E\d{1,2})\z'",
        "try_cast(unit_price as decimal(38,18)) = try_cast(unit_price as decimal(18,2))",
        "try_cast(unit_price as decimal(18,2)) >= 0",
        "quantity >= 1 and cast(unit_price as double) * quantity < 1e13",
    )
)


def spark_session(settings: str) -> SparkSession:
    """Return a session with the jobs' settings or with Spark's own, and Kafka's jars in both cases."""
    if settings == "tuned":
        return session("raw", ("kafka",))
    os.environ["JAVA_HOME"] = str(java_home())
    builder = SparkSession.builder.master("local[*]").config("spark.driver.host", LOOPBACK)
    tuned = local_settings(("kafka",))
    for name in ("spark.driver.memory", "spark.ui.showConsoleProgress"):
        builder = builder.config(name, tuned[name])
    jars = os.pathsep.join(map(str, after_spark(("kafka",))))
    builder = builder.config("spark.driver.extraClassPath", jars)
    return builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()


def parsed(raw: DataFrame, style: str, schema: str, **others: Column) -> DataFrame:
    """Return `raw`, the fields of the JSON in `value`, and `others`, which are found by reading it."""
    event = F.from_json(F.col("value").cast("string"), schema, {"allowSingleQuotes": "false"})
    columns = [event.alias("e"), *(column.alias(name) for name, column in others.items())]
    if style == "usual":
        return raw.select("timestamp", "value", *columns).select("timestamp", "value", *others, "e.*")
    once = raw.select("timestamp", "value", F.inline(F.array(F.struct(*columns))))
    return once.select("timestamp", "value", *others, "e.*")


def lax(raw: DataFrame, style: str) -> DataFrame:
    """Return the events, as far as Spark's own types can tell."""
    return parsed(raw, style, LAX_SCHEMA).filter(LAX)


def read_strictly(raw: DataFrame, style: str) -> DataFrame:
    """Return the messages' fields, and the columns that STRICT needs."""
    values = F.expr("json_array_length(concat('[', cast(value as string), ',0]'))")
    return parsed(raw, style, STRICT_SCHEMA, values=values).withColumn("text", F.col("value").cast("string"))


def strict(raw: DataFrame, style: str) -> DataFrame:
    """Return the events by the job's rules."""
    return (
        read_strictly(raw, style)
        .filter(STRICT)
        .withColumn("event_time", F.expr("cast(upper(event_time) as timestamp)"))
        .withColumn("unit_price", F.col("unit_price").cast("decimal(18,2)"))
    )


def insights(raw: DataFrame, discounts: DataFrame, style: str, checks: str) -> DataFrame:
    """Return the result of the job's query."""
    events = strict(raw, style) if checks == "strict" else lax(raw, style)
    once = events.withWatermark("event_time", "10 seconds").dropDuplicatesWithinWatermark(["event_id"])
    gross = (F.col("unit_price") * F.col("quantity")).cast("decimal(18,2)")
    totals = (
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
    return totals.select(F.col("window.start").alias("window_start"), "*").drop("window")


def main() -> int:
    """Run the query, to the end of the topic or until it is stopped, and print the seconds of each batch."""
    options = _options()
    spark = spark_session(options.settings)
    servers = {"kafka.bootstrap.servers": options.bootstrap}
    raw = (
        spark.readStream.format("kafka")
        .options(**servers, subscribe="product-stream-topic", startingOffsets="earliest")
        .options(maxOffsetsPerTrigger=options.batch, **{"kafka.isolation.level": "read_committed"})
        .load()
    )
    schema = "user_id string, product_id string, percent decimal(5,2)"
    discounts = spark.read.csv(options.discounts, schema, header=True)
    rows = insights(raw, discounts, options.style, options.checks)
    messages = rows.select(
        F.concat_ws("|", "window_start", "product_id").alias("key"),
        F.to_json(F.struct(*rows.columns)).alias("value"),
    )
    sink = {**servers, "topic": options.topic}
    spark.streams.addListener(_Seconds())
    with tempfile.TemporaryDirectory() as checkpoint:
        if options.letters:
            writer = _with_letters(messages, read_strictly(raw, options.style), sink, options.letters)
        else:
            writer = messages.writeStream.format("kafka").options(**sink)
        writer = writer.outputMode(options.output_mode).option("checkpointLocation", checkpoint)
        forever = options.trigger == "continuous-batches"
        timed = writer.trigger(processingTime="0 seconds") if forever else writer.trigger(availableNow=True)
        timed.start().awaitTermination()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for flag in ("--bootstrap", "--discounts", "--topic", "--style", "--checks", "--settings", "--batch"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--output-mode", default="append", choices=("append", "update"))
    parser.add_argument("--trigger", default="available-now", choices=("available-now", "continuous-batches"))
    parser.add_argument("--letters")
    return parser.parse_args()


def _with_letters(
    messages: DataFrame, read: DataFrame, sink: dict[str, str], folder: str
) -> DataStreamWriter:
    """Return the writer of a query that keeps what is refused as well."""
    refused = read.filter(~F.coalesce(F.expr(STRICT), F.lit(False)))
    no_message, no_letter = F.lit(None).cast("string"), F.lit(None).cast("binary")
    both = messages.select("key", "value", no_letter.alias("letter")).union(
        refused.select(no_message, no_message, "value")
    )

    def write(batch: DataFrame, number: int) -> None:
        batch.persist()
        batch.filter("value is not null").select("key", "value").write.format("kafka").options(**sink).save()
        letters = batch.filter("letter is not null").select("letter")
        letters.write.mode("overwrite").json(f"{folder}/batch={number}")
        batch.unpersist()

    return both.writeStream.foreachBatch(write)


class _Seconds(StreamingQueryListener):
    """A listener that prints the seconds of each batch as the jobs do."""

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802 - Spark's name
        pass

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802 - Spark's name
        batch = event.progress
        seconds = batch.durationMs["triggerExecution"] / 1000
        print(f"batch={batch.batchId} in={batch.numInputRows} seconds={seconds}", file=sys.stderr, flush=True)

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802 - Spark's name
        pass

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802 - Spark's name
        pass


if __name__ == "__main__":
    sys.exit(main())
