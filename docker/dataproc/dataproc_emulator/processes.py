"""Child processes, each the leader of its own process group; none outlives this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from dataproc_emulator import guard

# Each process registers with the guard, through its standard input, before it becomes the command. If the
# emulator registered it, a kill in between would leave the process running.
_TELLING = ("/bin/sh", "-c", 'echo "+$$" >&0 && exec "$@" </dev/null', "sh")


class Processes:
    """Starts processes; a guard kills them when ``close`` is called or this process is killed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        reading, writing = os.pipe()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", str(Path(guard.__file__))], stdin=reading, start_new_session=True
        )
        os.close(reading)
        self._to_guard = os.fdopen(writing, "w", buffering=1)

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, output: int
    ) -> subprocess.Popen[bytes]:
        """Start a command in a folder, with both its outputs going to the descriptor ``output``."""
        with self._lock:
            if self._to_guard.closed:
                raise ProcessLookupError("the emulator is stopping")
            process = subprocess.Popen(
                [*_TELLING, *command],
                env=environment,
                cwd=folder,
                stdin=self._to_guard,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running[process.pid] = process
        return process

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what a process that has ended left behind in its group."""
        send(process, signal.SIGKILL)
        with self._lock:
            del self._running[process.pid]
            if not self._to_guard.closed:
                self._to_guard.write(f"-{process.pid}\n")

    def close(self) -> None:
        """Kill everything that is still running; nothing can be started afterwards."""
        with self._lock:
            self._to_guard.close()
        self._guard.wait()
        for process in list(self._running.values()):
            process.wait()


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and to everything it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
