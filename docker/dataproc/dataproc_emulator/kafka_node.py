"""One Kafka node as a process: KRaft, Google's login for clients, mutual TLS for itself and the emulator.

Its listeners are on loopback: CLIENT admits the tokens of accounts that may connect; INTERNAL and CONTROLLER
admit only who has the node's own key.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dataproc_emulator.authority import LOOPBACK, Authority
from dataproc_emulator.processes import Processes

_SECONDS = 90
_RENEW_LOGIN_MS = 30 * 60 * 1000  # Google's own: half an hour
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=128m", "-XX:+UseSerialGC")
_JAVA = ("-Xmx256m", "-Djava.net.preferIPv4Stack=true", *_QUICK)
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"


@dataclass(frozen=True)
class KafkaParts:
    """What a node is made of: a ``java`` program, the folders of Kafka's jars and of the login's class."""

    java: str
    jars: Path
    classes: Path
    environment: Mapping[str, str]

    def command(self, main: str, *arguments: str) -> list[str]:
        """Return the command that runs one of Kafka's programs."""
        return [self.java, *_JAVA, "-cp", f"{self.jars}/*:{self.classes}", main, *arguments]


class KafkaNode:
    """A node whose files are in ``folder``; it admits the tokens that the file ``admitted`` lists."""

    def __init__(self, folder: Path, parts: KafkaParts, authority: Authority, processes: Processes) -> None:
        self.folder = folder
        self.admitted = folder / "admitted"
        self.address = ""
        self._parts = parts
        self._authority = authority
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None
        self._private = Authority(f"{folder.name}'s own")
        self._ports: list[socket.socket] = []

    def start(self) -> AdminClient:
        """Return a client for administration once the node answers; raise OSError if it does not start."""
        self._ports = [_held_port() for _ in range(3)]
        client, internal, controller = (held.getsockname()[1] for held in self._ports)
        if sys.platform != "linux":
            self._release_ports()
        self._write_files(client, internal, controller)
        self._format()
        self._run()
        admin = self._admin(internal)
        self._wait_for(admin)
        self.address = f"{LOOPBACK}:{client}"
        (self.folder / "address").write_text(self.address)
        return admin

    def stop(self) -> None:
        """Kill the node; its data is of no more use."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()
            self._processes.ended(process)
        self._release_ports()

    def _write_files(self, client: int, internal: int, controller: int) -> None:
        _write_secret(self.folder / "client.pem", self._authority.identity(self.folder.name))
        _write_secret(self.folder / "own.pem", self._private.identity(self.folder.name))
        (self.folder / "own-ca.pem").write_text(self._private.pem)
        self.admitted.touch(mode=0o600)
        settings = {
            **_settings(self.folder, client, internal, controller),
            **_client_listener(self.folder / "client.pem", self.admitted),
            **_own_listener("internal", self.folder),
            **_own_listener("controller", self.folder),
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        (self.folder / "server.properties").write_text("\n".join(lines) + "\n")

    def _format(self) -> None:
        identity = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode()[:22]
        properties = str(self.folder / "server.properties")
        command = self._parts.command("kafka.tools.StorageTool", "format", "-t", identity, "-c", properties)
        done = subprocess.run(
            command,
            env=self._parts.environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise ChildProcessError(f"Kafka could not prepare {self.folder}: {done.stderr.strip()}")

    def _run(self) -> None:
        command = self._parts.command("kafka.Kafka", str(self.folder / "server.properties"))
        with (self.folder / "node.log").open("wb") as log:
            self._process = self._processes.start(command, self._parts.environment, self.folder, log.fileno())

    def _admin(self, port: int) -> AdminClient:
        own = str(self.folder / "own.pem")
        return AdminClient(
            {
                "bootstrap.servers": f"{LOOPBACK}:{port}",
                "security.protocol": "SSL",
                "ssl.ca.location": str(self.folder / "own-ca.pem"),
                "ssl.certificate.location": own,
                "ssl.key.location": own,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )

    def _wait_for(self, admin: AdminClient) -> None:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            with suppress(KafkaException):  # it does not answer yet
                if admin.list_topics(timeout=1).brokers:
                    return
        self.stop()
        raise ChildProcessError(f"Kafka did not start in {_SECONDS} s, see {self.folder / 'node.log'}")

    def _release_ports(self) -> None:
        for held in self._ports:
            held.close()
        self._ports = []


def _held_port() -> socket.socket:
    """Return a socket that holds a port from the system and never listens.

    Linux lets the node listen on the port all the same and gives it to nobody else.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((LOOPBACK, 0))
    return held


def _settings(folder: Path, client: int, internal: int, controller: int) -> dict[str, object]:
    brokers = f"CLIENT://{LOOPBACK}:{client},INTERNAL://{LOOPBACK}:{internal}"
    once = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
        "listeners": f"{brokers},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": brokers,
        "log.dirs": folder / "data",
        "log.retention.ms": -1,
        "auto.create.topics.enable": "false",
        **{f"{topic}.replication.factor": 1 for topic in once},
        **{f"{topic}.num.partitions": 1 for topic in once},
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 2,
    }


def _client_listener(key_store: Path, admitted: Path) -> dict[str, object]:
    listener = "listener.name.client"
    login = f"{listener}.oauthbearer"
    return {
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": key_store,
        f"{listener}.sasl.enabled.mechanisms": "OAUTHBEARER",
        # A listener also logs in to itself: the claim is for that.
        f"{login}.sasl.jaas.config": (
            f'{_OAUTH} admitted="{admitted}" unsecuredLoginStringClaim_sub="node";'
        ),
        f"{login}.sasl.server.callback.handler.class": "dataproc.GoogleTokens",
        f"{login}.connections.max.reauth.ms": _RENEW_LOGIN_MS,
    }


def _own_listener(name: str, folder: Path) -> dict[str, object]:
    listener = f"listener.name.{name}"
    return {
        f"{listener}.ssl.client.auth": "required",
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": folder / "own.pem",
        f"{listener}.ssl.truststore.type": "PEM",
        f"{listener}.ssl.truststore.location": folder / "own-ca.pem",
    }


def _write_secret(file: Path, content: str) -> None:
    file.touch(mode=0o600)
    file.write_text(content)
