"""One real Kafka node for the tests: KRaft, a plain java process, its jars the set `broker` of ivy.xml."""

import base64
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from jobs.engine import class_archive, jar_files
from jobs.engine.java import java_home
from tests.support.kafka_listeners import Listener, secured

_LOGGER, _QUIET = logging.getLogger("kafka"), logging.NullHandler()
START_SECONDS = 60
STOP_SECONDS = 30
ARCHIVE = jar_files.directory() / "classes" / "broker.jsa"
"""Java's class archive of a broker, if it was made: `python -m tests.support.kafka_broker`."""
_FORMATTED = "A" * 22
ATTEMPTS = 3  # each on other ports: another process may take a port first, but only if ports cannot be held


class BrokerFailed(RuntimeError):
    """The broker ended or did not answer in time; the message ends with its own last lines."""


class KafkaBroker:
    """A separate broker for a `with` block; the data is gone at the block's end.

    `listeners`: additional listeners. `classes`: a folder of classes that their settings name. `advertised`:
    where the broker leads its clients, if not to itself. `settings`: Kafka's, beside those below.

    `bootstrap` stays the same over `kill()`, `stop()` and `restart()`. Topics are never created by use, and
    nothing expires, so events may be as old as a test likes.
    """

    def __init__(
        self,
        heap: str = "256m",
        listeners: Sequence[Listener] = (),
        classes: Path | None = None,
        advertised: str = "",
        settings: Mapping[str, object] | None = None,
        archive: Sequence[str] = (),
    ) -> None:
        self.heap, self._archive = heap, archive
        self._listeners, self._classes, self._advertised = listeners, classes, advertised
        self._settings = dict(settings or {})
        self.bootstrap = ""
        self._cluster_id = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode()[:22]
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._ports: tuple[socket.socket, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for _ in range(ATTEMPTS - 1):
            with suppress(BrokerFailed):
                return self._start_anew()
        return self._start_anew()

    def __exit__(self, *_: object) -> None:
        self._remove()

    def port(self, name: str) -> int:
        """Return the port of the listener of that name."""
        at = [listener.name for listener in self._listeners].index(name)
        return int(self._ports[2 + at].getsockname()[1])

    def kill(self) -> None:
        """Kill the broker as a power cut would: SIGKILL, nothing flushed, nobody told."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the broker cleanly; the data stays for `restart`."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Suspend the broker's process: connections stay, and nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the broker go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Run on the same data and ports, from any state, and return when the broker answers."""
        self.stop()
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._directory / "server.properties")),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._wait("answer", self._is_up, START_SECONDS)

    def create_topic(self, name: str, partitions: int = 1, **configs: str | int) -> None:
        """Create a topic, and return when every partition has a leader.

        Configs are Kafka's, with `_` for `.`: `retention_ms=1`.
        """
        settings = {key.replace("_", "."): str(value) for key, value in configs.items()}
        topic = {"num_partitions": partitions, "replication_factor": 1, "configs": settings}
        with self._admin() as admin:
            admin.create_topics({name: topic}, timeout_ms=START_SECONDS * 1000)
        self._wait(f"show topic {name}", lambda: self._leaders(name) == partitions, START_SECONDS)

    def delete_topic(self, name: str) -> None:
        """Delete a topic, and return when it is gone from the broker's metadata."""
        with self._admin() as admin:
            admin.delete_topics([name], timeout_ms=START_SECONDS * 1000)
        self._wait(f"forget topic {name}", lambda: name not in self.topics(), START_SECONDS)

    def topics(self) -> list[str]:
        """Return the names of the broker's topics."""
        with self._admin() as admin:
            return list(admin.list_topics())

    def _start_anew(self) -> Self:
        try:
            self._format()
            self.restart()
        except BaseException:
            self._remove()
            raise
        return self

    def _format(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="kafka-broker-", ignore_cleanup_errors=True)
        self._ports = tuple(_hold_port() for _ in range(2 + len(self._listeners)))
        client, controller, *others = (held.getsockname()[1] for held in self._ports)
        if sys.platform != "linux":
            self._let_ports_go()
        self.bootstrap = f"127.0.0.1:{client}"
        properties = self._directory / "server.properties"
        settings = _properties(self._directory / "data", client, controller) | self._settings
        settings |= secured(settings, dict(zip(others, self._listeners, strict=True)))
        if self._advertised:
            settings["advertised.listeners"] = f"PLAINTEXT://{self._advertised}"
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        for name, content in _formatted().items():
            (self._directory / "data").mkdir(exist_ok=True)
            content = content.replace(_FORMATTED.encode(), self._cluster_id.encode())
            (self._directory / "data" / name).write_bytes(content)

    def _java(self, main: str, *arguments: str) -> list[str]:
        path = str(self._classes) if self._classes else ""
        return [*_java(f"-Xmx{self.heap}", path, self._archive), main, *arguments]

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _remove(self) -> None:
        self.kill()
        self._let_ports_go()
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    def _let_ports_go(self) -> None:
        for held in self._ports:
            held.close()

    @property
    def _directory(self) -> Path:
        if self._home is None:
            raise BrokerFailed("the broker was never started; expected `with KafkaBroker() as broker:`")
        return Path(self._home.name)

    def _admin(self) -> KafkaAdminClient:
        _LOGGER.addHandler(_QUIET)  # otherwise Python prints each of its warnings on standard error
        return KafkaAdminClient(
            bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2000, reconnect_backoff_max_ms=100
        )

    def _is_up(self) -> bool:
        if self._advertised:  # there, no client finds it
            return _listens(self._ports[0].getsockname())
        with self._admin() as admin:
            cluster = admin.describe_cluster()
        return cluster["cluster_id"] == self._cluster_id and bool(cluster["brokers"])

    def _leaders(self, topic: str) -> int:
        with self._admin() as admin:
            (known,) = admin.describe_topics([topic])
        return sum(partition["leader_id"] == 1 for partition in known["partitions"])

    def _wait(self, aim: str, reached: Callable[[], bool], seconds: float) -> None:
        """Poll until the aim is reached; raise BrokerFailed if the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise BrokerFailed(f"the broker ended before it could {aim}:\n{self._last_lines()}")
            try:
                if reached():
                    return
            except KafkaError:
                pass  # not up yet
            time.sleep(0.05)
        raise BrokerFailed(
            f"the broker at {self.bootstrap} did not {aim} in {seconds} s:\n{self._last_lines()}"
        )

    def _last_lines(self) -> str:
        return "\n".join((self._directory / "broker.log").read_text().splitlines()[-20:])


@cache
def _formatted() -> dict[str, bytes]:
    """Return the files of an empty data folder, by name: each broker would start a JVM for the same ones."""
    with tempfile.TemporaryDirectory() as folder:
        properties, data = Path(folder, "server.properties"), Path(folder, "data")
        properties.write_text("".join(f"{key}={value}\n" for key, value in _properties(data, 1, 2).items()))
        command = [*_java(), "kafka.tools.StorageTool", "format", "-t", _FORMATTED, "-c", str(properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)
        if done.returncode != 0:
            raise BrokerFailed(f"kafka.tools.StorageTool format ended with {done.returncode}:\n{done.stderr}")
        return {file.name: file.read_bytes() for file in data.iterdir() if file.is_file()}


def _java(heap: str = "-Xmx256m", classes: str = "", archive: Sequence[str] = ()) -> list[str]:
    home, jars = java_home(), f"{jar_files.jars('broker')[0].parent}/*"
    if not archive and ARCHIVE.exists():
        archive = class_archive.taking(ARCHIVE)
    lean = [heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"]
    return [str(home / "bin" / "java"), *lean, *archive, "-cp", f"{jars}:{classes}" if classes else jars]


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(address) == 0


def _hold_port() -> socket.socket:
    """Return a system-assigned port, held by a socket that never listens.

    Linux lets the broker listen on it all the same and gives it to nobody else, not even as the near end of a
    client's connection while the broker is down. On other systems it must be released before the broker
    starts.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _properties(data: Path, client: int, controller: int) -> dict[str, object]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
        "log.dirs": data,
        "log.retention.ms": -1,
        # A killed broker may rejoin only when its old session is over: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 2,
    }


if __name__ == "__main__":
    if not ARCHIVE.exists():
        with KafkaBroker(archive=class_archive.leaving(ARCHIVE)) as broker:
            broker.create_topic("archive")
            broker.stop()
        class_archive.adopt(ARCHIVE, settled=0)
