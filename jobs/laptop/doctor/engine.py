"""Docker: the engine, Compose, and the product's running containers."""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from jobs.laptop.doctor.diagnosis import Diagnosis, fault, ok, unknown

COMPOSE = (2, 22)
"""The oldest Compose version that supports `develop.watch`."""
PROJECT = "com.docker.compose.project"
IMAGES = ("twinstream-", "apache/kafka")


class Engine:
    """The engine that `docker` talks to, queried by Docker's own SDK; without an engine, it knows nothing."""

    def __init__(self) -> None:
        self.containers: list[Any] = []
        self._seen = list(self._look())

    def diagnoses(self) -> Iterator[Diagnosis]:
        """Yield the diagnoses of the engine, Compose and the containers."""
        yield from self._seen
        yield from _compose()
        for container in self.containers:
            if container.attrs["State"].get("Health", {}).get("Status") == "unhealthy":
                name = container.labels.get("com.docker.compose.service", container.name)
                yield fault(f"service {name}: unhealthy", f"docker compose logs --tail 20 {name}")

    def ports(self) -> set[int]:
        """Return the ports of this machine that the product's containers hold."""
        published = (one for container in self.containers for one in container.ports.values() if one)
        return {int(binding["HostPort"]) for bindings in published for binding in bindings}

    def broker(self) -> Any | None:
        """Return the broker's container, None if it is not running."""
        named = "com.docker.compose.service"
        return next((one for one in self.containers if one.labels.get(named) == "kafka"), None)

    def _look(self) -> Iterator[Diagnosis]:
        try:
            docker: Any = importlib.import_module("docker")  # type checkers mistake our folder for it
        except ImportError:
            yield unknown("Docker: not asked, because its SDK is missing", "pip install 'docker~=7.1'")
            return
        try:
            client = docker.from_env(timeout=10)
            version = client.version()["Version"]
            running = client.containers.list(filters={"label": PROJECT})
            self.containers = [one for one in running if _is_ours(one)]
        except docker.errors.DockerException as error:
            yield fault(f"Docker: no engine answers ({error})", "start Docker; make demo needs none")
            return
        yield ok(f"Docker: engine {version}, {len(self.containers)} containers of twinstream run")


def _is_ours(container: Any) -> bool:
    project = container.labels.get(PROJECT, "")
    image = container.attrs["Config"]["Image"]
    return bool(project.startswith("twinstream") and image.startswith(IMAGES))


def _compose() -> Iterator[Diagnosis]:
    remedy = f"install Docker Compose {COMPOSE[0]}.{COMPOSE[1]} or newer as a plugin of docker"
    try:
        command = ["docker", "compose", "version", "--short"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        yield fault("Compose: `docker compose version` fails", remedy)
        return
    number = re.match(r"v?(\d+)\.(\d+)", said)
    enough = number is not None and (int(number[1]), int(number[2])) >= COMPOSE
    yield ok(f"Compose: {said}") if enough else fault(f"Compose: {said}; too old", remedy)
