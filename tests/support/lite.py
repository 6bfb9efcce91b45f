"""A way to lead this process's Python clients and its Spark session to a Pub/Sub Lite emulator."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pubsublite_emulator import Emulator


@contextmanager
def led(lite: Emulator, spark: SparkSession | None = None) -> Iterator[None]:
    """Lead Google's clients to `lite` within the block, by what they read in the environment.

    A running JVM does not read that again; it reads the proxy's properties for every connection
    (`sun.net.spi.DefaultProxySelector`), and has the trust store since its start (`tests.conftest.spark`).
    Google's connector keeps its connections, a pool per subscription, as long as the JVM lives, so they are
    dropped here: otherwise it could reuse one that leads to another emulator.
    """
    host, port = lite.address.rsplit(":", 1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lite.env.items():
            patch.setenv(name, value)
        if spark is not None:
            system = spark._jvm.java.lang.System  # type: ignore[union-attr]
            system.setProperty("https.proxyHost", host)
            system.setProperty("https.proxyPort", port)
            forget_connections(spark)
        yield


def forget_connections(spark: SparkSession) -> None:
    """Reset the connector's cache of clients, a private field."""
    java: Any = spark._jvm
    cache = java.java.lang.Class.forName("com.google.cloud.pubsublite.spark.internal.CachedSubscriberClients")
    instance = cache.getDeclaredField("instance")
    instance.setAccessible(True)
    instance.set(None, None)


def copy_authority(directory: Path) -> None:
    """Let this process trust an emulator in another process, served from the new `directory`.

    gRPC reads the trusted authorities once per process.
    """
    with Emulator() as lite:
        shutil.copytree(lite.files.directory, directory, ignore=shutil.ignore_patterns(lite.files.ready.name))
