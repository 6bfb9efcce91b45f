"""The steps of Google's sample that reads from Pub/Sub Lite and shows the messages on the console.

Started by spark-submit with the connector in --jars, as on a cluster. Arguments: the subscription's project
number, location and id, and how many messages it has.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.types import StringType


def main(project_number: str, location: str, subscription_id: str, count: str) -> None:
    """Show that many messages, the data as text and every column whole."""
    spark = SparkSession.builder.appName("read-app").getOrCreate()
    messages = (
        spark.readStream.format("pubsublite")
        .option(
            "pubsublite.subscription",
            f"projects/{project_number}/locations/{location}/subscriptions/{subscription_id}",
        )
        .load()
    )
    messages = messages.withColumn("data", messages.data.cast(StringType()))
    query = (
        messages.writeStream.format("console")
        .option("truncate", "false")
        .option("numRows", count)
        .outputMode("append")
        .trigger(processingTime="1 second")
        .start()
    )
    while sum(progress["numInputRows"] for progress in query.recentProgress) < int(count):
        query.awaitTermination(1)
    query.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
