"""The end of a cell that watches the streams."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, cast

import pandas as pd

from notebooks import live
from notebooks.job_query import JobQuery


class Interrupted:
    """A query during whose step the kernel is interrupted; the step itself is over at once."""

    rows = pd.DataFrame({"events": [1]})
    steps = pd.DataFrame({"watermark_after": [None], "late": [0], "dead": [0]})

    def __init__(self) -> None:
        self.taken = 0

    def step(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        self.taken += 1


def nothing(_: Any) -> tuple[()]:
    return ()


def test_an_interrupt_lets_the_running_step_finish() -> None:
    before, started, query = signal.getsignal(signal.SIGINT), time.monotonic(), Interrupted()
    live.watch(cast(JobQuery, query), nothing, seconds=60)
    assert (query.taken, time.monotonic() - started < 30) == (1, True)
    assert signal.getsignal(signal.SIGINT) is before
