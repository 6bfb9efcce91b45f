"""Work that goes on in its own thread beside a test."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Background(ABC):
    """A `with` block that runs `work` in a thread; its end asks it to stop and fails if it has failed."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    @abstractmethod
    def work(self) -> None:
        """Continue until `stopping` is set."""

    def check(self) -> None:
        """Fail if the work has ended."""
        assert self._thread.is_alive(), self._failure

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), f"{self._thread.name} did not stop"
        assert self._failure is None, self._failure

    def _run(self) -> None:
        try:
            self.work()
        except Exception as failure:
            self._failure = failure
