"""A job in its own process, as a user or Dataproc runs it: started, listened to, stopped and killed."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.engine.jar_files import CHECKOUT


class Program:
    """`python WORDS`; leaving the block kills whatever still runs, including its JVM.

    `checkout`: the folder that it runs in, whose code it is.
    """

    def __init__(
        self, *words: str, environment: dict[str, str] | None = None, checkout: Path = CHECKOUT
    ) -> None:
        self.lines: list[str] = []
        self.output: list[str] = []
        self._news: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, *words],
            cwd=checkout,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=self._read_output, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def wait_for(self, pattern: str, seconds: float = 180) -> re.Match[str]:
        """Return the first match in a new line of standard error; fail at the deadline or on exit."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                if match := re.search(pattern, self._news.get(timeout=min(left, 0.2))):
                    return match
                continue
            if self._process.poll() is not None and self._news.empty():
                break
        raise AssertionError(f"no line like {pattern!r}; exit code {self._process.poll()}\n" + self.said)

    def wait(self, seconds: float = 240) -> int:
        """Wait for the end of the process and of its output in `lines` and `output`; return the exit code."""
        code = self._process.wait(seconds)
        for reader in self._readers:
            reader.join(10)
        return code

    def ends_within(self, seconds: float) -> bool:
        """Wait up to that many seconds, and return whether the process has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is not None

    @property
    def group(self) -> int:
        """Return the process group of the driver, Python and JVM."""
        return self._process.pid

    @property
    def said(self) -> str:
        """Return standard error so far."""
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        """Return the id of the driver's process, which leads the group of all."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def freeze(self) -> None:
        """Suspend the driver, Python and JVM, where they are."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume them."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Send SIGTERM as `docker stop` and Dataproc do: to the driver's Python alone."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the driver, Python and JVM at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(120)
        for reader in self._readers:
            reader.join(10)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe
            pipe.close()

    def _read_errors(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(line)
            self._news.put(line)

    def _read_output(self) -> None:
        assert self._process.stdout
        self.output.extend(self._process.stdout)


class JobProcess(Program):
    """`python -m jobs run JOB FLAGS`; `program`: what Python runs instead of `-m jobs`."""

    def __init__(
        self,
        job: str,
        *flags: str,
        environment: dict[str, str] | None = None,
        program: Sequence[str] = ("-m", "jobs"),
        checkout: Path = CHECKOUT,
    ) -> None:
        super().__init__(*program, "run", job, *flags, environment=environment, checkout=checkout)
