"""Google's in-memory Pub/Sub, `cloud.google.com/go/pubsub/pstest`, as a process; see go/pubsub/main.go."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.pubsublite.go_command import go

SOURCE = Path(__file__).parent / "go" / "pubsub"


def build(folder: Path) -> Path:
    """Compile the server into `folder`, and return the program; Go keeps what it compiled in its cache."""
    program = folder / "pubsub"
    go("build", "-o", str(program), ".", folder=SOURCE)
    return program


class PubsubServer:
    """The server of a `with` block; clients find it by PUBSUB_EMULATOR_HOST, which is `host`."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self.host = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.host = self._line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def deny(self, topic: str) -> None:
        """Refuse whoever publishes to the topic, as the service does without the permission."""
        self._order(f"deny {topic}")

    def allow(self, topic: str) -> None:
        """Let everybody publish to the topic again."""
        self._order(f"allow {topic}")

    def _order(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._line() == line

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()
