"""One run of a job's driver."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread, Timer

from dataproc_emulator.output import Output
from dataproc_emulator.processes import Processes, send

_CHUNK = 1 << 16


class Driver:
    """A running spark-submit and everything it starts; ``pid`` is also the id of their process group."""

    def __init__(
        self,
        processes: Processes,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        output: Output,
    ) -> None:
        self._processes = processes
        reading, writing = os.pipe()
        self._process = processes.start(command, environment, folder, writing)
        os.close(writing)
        self._reader = Thread(target=_store, args=(reading, output), daemon=True)
        self._reader.start()
        self.pid = self._process.pid

    def wait(self) -> int:
        """Return the exit code once the driver has ended, nothing of it is left and its output is stored."""
        code = self._process.wait()
        self._processes.ended(self._process)
        self._reader.join()
        return code

    def stop(self, grace: float) -> None:
        """Send SIGTERM now, and SIGKILL after ``grace`` seconds."""
        send(self._process, signal.SIGTERM)
        killer = Timer(grace, self._kill)
        killer.daemon = True
        killer.start()

    def _kill(self) -> None:
        if self._process.poll() is None:
            send(self._process, signal.SIGKILL)


def _store(reading: int, output: Output) -> None:
    while chunk := os.read(reading, _CHUNK):
        output.write(chunk)
    os.close(reading)
    output.close()
