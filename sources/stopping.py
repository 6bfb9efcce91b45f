"""Ctrl-C and SIGTERM as a question that a loop asks, where an exception would fall anywhere in it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C or SIGTERM has come; a second one does what it did before.

    KeyboardInterrupt comes between any two instructions: after a message was sent and before it was counted,
    or in a callback of librdkafka, which drops it ("returned NULL without setting an exception").
    To be entered in the main thread, where Python hears signals.
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
