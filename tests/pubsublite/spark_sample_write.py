"""The steps of Google's sample that writes to Pub/Sub Lite: numbers of the `rate` source, until it is enough.

Started by spark-submit with the connector in --jars, as on a cluster. Arguments: the topic's project number,
location and id, a folder for the checkpoint, and how many messages are enough.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import array, col, create_map, lit, when
from pyspark.sql.types import BinaryType, StringType


def main(project_number: str, location: str, topic_id: str, checkpoint: str, enough: str) -> None:
    """Write each number as a message with a key, an event time and the attribute `key1`: even or odd."""
    spark = SparkSession.builder.appName("write-app").getOrCreate()
    numbers = spark.readStream.format("rate").option("rowsPerSecond", 50).load()
    messages = (
        numbers.withColumn("key", lit("example").cast(BinaryType()))
        .withColumn("data", col("value").cast(StringType()).cast(BinaryType()))
        .withColumnRenamed("timestamp", "event_timestamp")
        .withColumn(
            "attributes",
            create_map(lit("key1"), array(when(col("value") % 2 == 0, b"even").otherwise(b"odd"))),
        )
        .drop("value")
    )
    query = (
        messages.writeStream.format("pubsublite")
        .option("pubsublite.topic", f"projects/{project_number}/locations/{location}/topics/{topic_id}")
        .option("checkpointLocation", checkpoint)
        .outputMode("append")
        .trigger(processingTime="1 second")
        .start()
    )
    while sum(progress["numInputRows"] for progress in query.recentProgress) < int(enough):
        query.awaitTermination(1)
    query.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
