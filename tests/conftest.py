"""What every test may ask for."""

import os
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from jobs.runtime import connectors
from jobs.runtime.java import java_home
from tests.kafka_broker import KafkaBroker

pytest_plugins = ["tests.loud_skips", "pytester"]


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """One broker for the whole run: a test makes its own topics, and one that kills makes its own broker."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session for the whole run: starting another costs seconds, and settings are the jobs' business."""
    os.environ["JAVA_HOME"] = str(java_home())
    jars = [*connectors.jars("kafka"), *connectors.jars("delta")]
    settings: dict[str, str | int | float | bool | None] = {
        "spark.driver.memory": "2g",
        "spark.jars": ",".join(str(jar) for jar in jars),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.streaming.checkpointFileManagerClass": "org.apache.spark.sql.execution.streaming."
        "FileSystemBasedCheckpointFileManager",
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("tests").config(map=settings)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
