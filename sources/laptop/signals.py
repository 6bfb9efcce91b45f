"""Ctrl-C and SIGTERM as a flag that a loop polls, because an exception could hit anywhere in the loop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM has come; a second one acts as it did before.

    KeyboardInterrupt can come between any two instructions: after a message was sent and before it was
    counted, or in a callback of librdkafka, which drops it ("returned NULL without setting an exception").
    Enter this in the main thread, where Python receives signals.
    """
    asked = Event()

    def ask(*_: object) -> None:
        asked.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        restore()
