"""The broker that a notebook publishes to and reads, a Spark session for it, and faults told in one line."""

from __future__ import annotations

import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import SparkSession

from jobs.runtime.failure import failure
from jobs.runtime.run import FAULTS
from jobs.runtime.session import session
from sources import instants
from sources.catalog import STREAMS
from sources.flags import Parser
from sources.source import Source, load, names
from sources.source_flags import parse

DEFAULT = "kafka"
LOG = Path(tempfile.gettempdir(), f"twinstream-notebook-{os.getpid()}.log")
"""What Spark's Java process says, which would be pages in a cell."""

SETTINGS = {"spark.sql.shuffle.partitions": "1"}
"""A notebook reads little, and every partition costs each step its share of time."""


@dataclass(frozen=True)
class Broker:
    """`flags` are those with which a job reads this broker; `address` says where it is."""

    spark: SparkSession
    source: Source
    options: Namespace
    flags: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where the broker is, for a person."""
        of = self.options
        if of.source == "pubsublite":
            return f"Pub/Sub Lite, project {of.pubsublite_project or 1}, {of.pubsublite_location}"
        return f"Kafka at {of.kafka_bootstrap_servers}"

    def since(self, moment: datetime) -> tuple[str, ...]:
        """The flags by which a fresh query reads what was published since `moment`.

        Pub/Sub Lite has no such flag: there it reads on where the subscription's last reader stopped.
        """
        starting = [f"--kafka-starting={instants.text(moment)}"] if self.options.source == "kafka" else []
        return (*self.flags, *starting)

    def from_now_on(self) -> tuple[str, ...]:
        """The flags by which a fresh query reads what is published from now on."""
        if self.options.source == "pubsublite":
            from sources.clients.pubsublite_resources import renew_subscription

            for stream in STREAMS.values():
                renew_subscription(stream, self.options)
        return self.since(datetime.now(UTC))

    def __repr__(self) -> str:
        return f"{self.address}, read by Spark {self.spark.version} (its own log: {LOG})"


def connect(reader: str) -> Broker:
    """The broker that TWINSTREAM_SOURCE names (Kafka where it names none), its topics made where they lack.

    `reader` is who reads: on Pub/Sub Lite it has subscriptions of its own, `STREAM-subscription-READER`.
    From here on times are UTC, and a fault ends a cell with one line instead of a page. Raises SourceError.
    """
    os.environ["TZ"] = "UTC"  # PySpark shows timestamps in the process's zone
    time.tzset()
    tell_faults_in_one_line()
    name = os.environ.get("TWINSTREAM_SOURCE") or DEFAULT
    suffix = [f"--pubsublite-subscription-suffix={reader}"] if name == "pubsublite" else []
    options = parse(Parser(prog="notebook"), names(), [f"--source={name}", *suffix], default=DEFAULT)
    source = load(name)
    source.create(list(STREAMS.values()), options)
    with _java_writing_to(LOG):
        spark = session("notebook", source.jars(options), SETTINGS)
    source.check(spark, list(STREAMS.values()), options)
    return Broker(spark, source, options, (f"--source={name}", *suffix))


@contextmanager
def _java_writing_to(log: Path) -> Iterator[None]:
    """Processes that are started in the block have this file for standard error, as long as they live."""
    before = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def tell_faults_in_one_line() -> None:
    """Make IPython end a cell that fails for a known reason with that reason, in one line."""

    def tell(shell: Any, kind: type[BaseException], error: BaseException, *_: Any, **__: Any) -> list[str]:
        lines = [f"{kind.__name__}: {reason(error)}"]
        shell._showtraceback(kind, error, lines)
        return lines

    shell: Any = get_ipython()
    if shell is not None:
        shell.set_custom_exc((*FAULTS, PySparkException, Py4JError), tell)


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, StreamingQueryException | Py4JJavaError):
        return failure(error)
    return " ".join(str(error).split())
