"""Reads a subscription to its end with Google's connector, and prints what it read as one line of JSON.

It runs as a program, because a JVM takes its proxy and its trust from the environment it is started in.
"""

import json
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession


def main(subscription: str, checkpoint: str, jars: str) -> None:
    """Run once with the trigger that ends when everything present is read."""
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.jars", ",".join(map(str, Path(jars).glob("*.jar"))))
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    rows: list[list[object]] = []

    def collect(frame: DataFrame, _batch: int) -> None:
        for row in frame.collect():
            attributes = {
                name: [bytes(one).decode() for one in values] for name, values in row.attributes.items()
            }
            rows.append(
                [row.partition, row.offset, bytes(row.key).decode(), bytes(row.data).decode(), attributes]
            )

    stream = spark.readStream.format("pubsublite").option("pubsublite.subscription", subscription).load()
    query = (
        stream.writeStream.foreachBatch(collect)
        .option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination(120)
    print(json.dumps(sorted(rows, key=str)), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
