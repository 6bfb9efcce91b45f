"""A local Dataproc as a user starts it: `serve`, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from dataproc_emulator.files import Files

COMMAND = [sys.executable, "-m", "dataproc_emulator"]


class Served:
    """A server in its own process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--directory", str(directory), "--log-level", "WARNING"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        with self.process.stdout as said:
            self.ready = json.loads(said.readline())

    @property
    def address(self) -> str:
        return str(self.ready["address"])

    @property
    def files(self) -> Files:
        return Files(self.directory)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)

    def started(self) -> list[int]:
        """Return the processes that run below the directory: master, worker, drivers, executors."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(self.directory):
                    found.append(int(process.name))
            except OSError:
                continue  # it has just ended, or belongs to somebody else
        return found

    def commands(self) -> list[str]:
        """Return the command lines of these processes."""
        found = []
        for process in self.started():
            with suppress(OSError):  # it has just ended
                found.append(Path(f"/proc/{process}/cmdline").read_text().replace("\0", " "))
        return found
