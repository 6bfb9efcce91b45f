"""Leads this process's Python clients and its Spark session to an emulator of Pub/Sub Lite."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyspark.sql import SparkSession

from pubsublite_emulator import Emulator


@contextmanager
def led(lite: Emulator, spark: SparkSession | None = None) -> Iterator[None]:
    """Within the block Google's clients reach `lite`, by what they read in the environment.

    A running JVM does not read that again; it reads the proxy's properties for every connection
    (`sun.net.spi.DefaultProxySelector`), and has the trust store since its start (`tests.conftest.spark`).
    """
    host, port = lite.address.rsplit(":", 1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lite.env.items():
            patch.setenv(name, value)
        if spark is not None:
            system = spark._jvm.java.lang.System  # type: ignore[union-attr]
            system.setProperty("https.proxyHost", host)
            system.setProperty("https.proxyPort", port)
        yield
