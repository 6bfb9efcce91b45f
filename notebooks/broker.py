"""The broker that a notebook publishes to and reads, its Spark session, and one-line messages for faults."""

from __future__ import annotations

import os
import tempfile
import time
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

from jobs.engine.failure import failure
from jobs.engine.session import session
from sources import instants
from sources.base import Source, parse
from sources.catalog import STREAMS
from sources.choice import Chosen
from sources.fault import Fault
from sources.flags import Parser

DEFAULT = "kafka"
LOG = Path(tempfile.gettempdir(), f"twinstream-notebook-{os.getpid()}.log")
"""The log of Spark's Java process, which would fill pages in a cell."""

SETTINGS = {"spark.sql.shuffle.partitions": "1"}
"""A notebook reads little, and every partition adds time to each step."""


@dataclass(frozen=True)
class Broker:
    """A broker; `flags` are those with which a job reads it, `address` says where it is."""

    spark: SparkSession
    source: Chosen[Source]
    flags: tuple[str, ...]

    @property
    def address(self) -> str:
        """Return where the broker is, in words."""
        of = self.source.options
        if self.source.name == "pubsublite":
            return f"Pub/Sub Lite, project {of.pubsublite_project or 1}, {of.pubsublite_location}"
        return f"Kafka at {of.kafka_bootstrap_servers}"

    def since(self, moment: datetime) -> tuple[str, ...]:
        """Return the flags with which a fresh query reads what was published since `moment`.

        Pub/Sub Lite has no such flag: there the query continues where the subscription's last reader stopped.
        """
        starting = [f"--kafka-starting={instants.text(moment)}"] if self.source.name == "kafka" else []
        return (*self.flags, *starting)

    def from_now_on(self) -> tuple[str, ...]:
        """Return the flags with which a fresh query reads what is published from now on."""
        if self.source.name == "pubsublite":
            from sources.pubsublite.resources import renew_subscription

            for stream in STREAMS.values():
                renew_subscription(stream, self.source.options)
        return self.since(datetime.now(UTC))

    def __repr__(self) -> str:
        return f"{self.address}, read by Spark {self.spark.version} (its own log: {LOG})"


def connect(reader: str) -> Broker:
    """Connect to the broker that TWINSTREAM_SOURCE names (Kafka by default), and create missing topics.

    `reader` names the reader, which has its own subscriptions on Pub/Sub Lite, `STREAM-subscription-READER`.
    From here on times are UTC, and a fault ends a cell with one line instead of a page. Raise SourceError if
    the source cannot be used.
    """
    os.environ["TZ"] = "UTC"  # PySpark shows timestamps in the process's zone
    time.tzset()
    tell_faults_in_one_line()
    name = os.environ.get("TWINSTREAM_SOURCE") or DEFAULT
    suffix = [f"--pubsublite-subscription-suffix={reader}"] if name == "pubsublite" else []
    _, source = parse(Parser(prog="notebook"), [f"--source={name}", *suffix], default=DEFAULT)
    source.it.create(list(STREAMS.values()), source.options)
    with _java_writing_to(LOG):
        spark = session("notebook", source.it.jars(source.options), SETTINGS)
    source.it.check(spark, list(STREAMS.values()), source.options)
    return Broker(spark, source, (f"--source={name}", *suffix))


@contextmanager
def _java_writing_to(log: Path) -> Iterator[None]:
    """Redirect to this file the standard error of processes started in the block, as long as they live."""
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
        shell.set_custom_exc((Fault, PySparkException, Py4JError), tell)


def reason(error: BaseException) -> str:
    """Return what went wrong, in one line."""
    if isinstance(error, StreamingQueryException | Py4JJavaError):
        return failure(error)
    return " ".join(str(error).split())
