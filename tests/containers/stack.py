"""The product's own compose file, running on this machine under its own name and ports."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from testcontainers.compose import DockerCompose

CHECKOUT = Path(__file__).parents[2]
STATE = "/var/lib/twinstream/state"
PORTS = ("KAFKA_PORT", "JUPYTER_PORT", "DASHBOARD_PORT", "DATAPROC_PORT")


class Stack:
    """`docker compose up --wait` as a context manager; leaving it removes containers, networks and volumes.

    `settings` are what a user writes into .env.
    """

    def __init__(self, folder: Path, name: str, *files: Path, **settings: str) -> None:
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self._folder, self.source = folder, settings.get("SOURCE", "kafka")
        env = {"COMPOSE_PROJECT_NAME": name, **self.ports, **settings}
        (folder / "env").write_text("".join(f"{key}={value}\n" for key, value in env.items()))
        composed = [str(CHECKOUT / "docker-compose.yml"), *map(str, files)]
        self._compose = DockerCompose(CHECKOUT, composed, env_file=str(folder / "env"), build=True)

    def __enter__(self) -> Self:
        self._compose.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.run("logs", "--tail", "40"))
        self._compose.__exit__(kind, error, trace)

    @property
    def bootstrap(self) -> str:
        """Return the broker's address as this machine reaches it."""
        return f"localhost:{self.ports['KAFKA_PORT']}"

    def command(self, *command: str) -> list[str]:
        """Return `docker compose COMMAND` for this stack."""
        return [*self._compose.docker_compose_command(), *command]

    def run(self, *command: str) -> str:
        """Run `docker compose COMMAND` and return what it prints."""
        done = subprocess.run(
            self.command(*command), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def crash(self, service: str) -> None:
        """Kill every process of a service's container, as a crash does.

        `docker kill` would count as deliberate.
        """
        try:
            self.run("exec", "-T", service, "sh", "-c", "kill -9 -1")
        except AssertionError:
            return  # the shell died with its container

    def states(self) -> dict[str, str]:
        """Return every service that should run, with its health."""
        listed = [json.loads(line) for line in self.run("ps", "-a", "--format", "json").splitlines()]
        return {one["Service"]: one["Health"] or one["State"] for one in listed if one["Service"] != "topics"}

    def healthy(self) -> bool:
        """Return whether every service is healthy."""
        return set(self.states().values()) == {"healthy"}

    def memory(self) -> int:
        """Return the bytes that all containers hold now."""
        shown = self.run("stats", "--no-stream", "--format", "{{.MemUsage}}").split("\n")
        return sum(_bytes(line.split(" / ")[0]) for line in shown if line)

    def progress(self, job: str) -> list[dict[str, Any]]:
        """Return the job's batches so far."""
        folder = f"{STATE}/progress/{self.source}"
        text = self.run("exec", "-T", "dashboard", "sh", "-c", f"cat {folder}/{job}.jsonl || true")
        return [json.loads(line) for line in text.splitlines()]

    def rows(self, job: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return the job's results, sorted and read without Spark from a copy of its Delta table."""
        copy = self._folder / "results"
        shutil.rmtree(copy, ignore_errors=True)
        self.run("cp", f"dashboard:{STATE}/results/{self.source}", str(copy))
        return table_rows(copy / job, *columns)


def table_rows(table: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Return these columns (none: all) of a Delta table's rows, sorted; no rows if it does not exist yet."""
    try:
        found = DeltaTable(str(table)).to_pyarrow_table(columns=list(columns) or None)
    except TableNotFoundError:
        return []
    return sorted(tuple(row.values()) for row in found.to_pylist())


def wait_for(reached: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until a condition holds; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.5)


def _bytes(text: str) -> int:
    """Return the bytes in `1.2GiB` or `310MiB`, as Docker shows memory."""
    units = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    return int(float(text[:-3]) * units[text[-3:]]) if text[-3:] in units else 0


def _free_ports(number: int) -> list[str]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [str(server.getsockname()[1]) for server in held]
    for server in held:
        server.close()
    return ports
