"""The emulator inside a program: its own thread and event loop, on a port from the operating system."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

from pubsublite_emulator.exports import environment
from pubsublite_emulator.faults import Faults, Moment, Ordered
from pubsublite_emulator.files import Files
from pubsublite_emulator.server import Server


@functools.cache
def _shared_directory() -> Path:
    directory = tempfile.mkdtemp(prefix="pubsublite-emulator-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


class Emulator:
    """A context manager: ``with Emulator() as lite:`` serves until the block ends.

    ``lite.env`` holds the variables that lead Google's clients here; ``lite.address`` is ``host:port``.
    Without a ``directory``, all emulators of the process share a temporary one, because gRPC reads the
    trusted authorities once per process: set ``lite.env`` before creating the first client. Entering raises
    ``LiteError`` if the storage cannot be reached, and OSError if another emulator is using the directory or
    the files in it are another program's.
    """

    def __init__(
        self,
        storage: str = "memory",
        *,
        directory: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        any_retention: bool = False,
    ) -> None:
        self._storage = storage
        self._directory = directory
        self._listen = (host, port)
        self._any_retention = any_retention
        self._faults = Faults()
        self._cleanup = ExitStack()
        self._loop = asyncio.new_event_loop()
        self.address = ""
        self.files = Files(Path())

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.callback(self._loop.close)
            directory = self._directory or _shared_directory()
            thread = Thread(target=self._loop.run_forever, name="pubsublite-emulator", daemon=True)
            thread.start()
            cleanup.callback(thread.join)
            cleanup.callback(self._loop.call_soon_threadsafe, self._loop.stop)
            server = Server(
                self._storage,
                directory,
                self._faults,
                any_retention=self._any_retention,
                shared=self._directory is None,
            )
            cleanup.callback(lambda: asyncio.run_coroutine_threadsafe(server.stop(), self._loop).result())
            self.files = asyncio.run_coroutine_threadsafe(server.start(*self._listen), self._loop).result()
            self.address = server.address
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def env(self) -> dict[str, str]:
        """Return the variables for Google's clients, to be added to the process's own."""
        return environment(self.files, self.address, os.environ)

    def fail_next(self, rpc: str, *codes: str, at: Moment = "request") -> Ordered:
        """Queue a fault for each of ``codes`` on the running emulator.

        See :meth:`pubsublite_emulator.faults.Faults.fail_next`.
        """
        return self._faults.fail_next(rpc, *codes, at=at)
