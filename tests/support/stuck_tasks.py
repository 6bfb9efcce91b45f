"""The report of a test that times out while Spark works says what Spark's tasks were waiting for."""

from __future__ import annotations

from collections.abc import Generator
from threading import Thread
from typing import Any

import pytest
from pyspark.sql import SparkSession

FRAMES, LINES = 30, 30
"""How many lines are shown of a task's stack and of the test's log."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    report = yield
    spark = SparkSession._instantiatedSession  # asking the JVM here could wait forever
    if spark and call.excinfo and str(call.excinfo.value).startswith("Timeout"):
        lines = [*report.caplog.splitlines()[-LINES:], *in_time(spark)]
        report.sections.append(("stuck tasks", "\n".join(lines)))
    return report


def in_time(spark: SparkSession, seconds: float = 20) -> list[str]:
    """Return the stacks, or a line saying that the JVM does not tell them either."""
    found: list[str] = []
    asking = Thread(target=lambda: found.extend(stacks(spark)), daemon=True)
    asking.start()
    asking.join(seconds)
    return found or [f"no task runs, or the JVM has not said so in {seconds} s"]


def stacks(spark: SparkSession) -> list[str]:
    """Return the threads of this JVM that run Spark's tasks: a line each, then its frames."""
    java: Any = spark._jvm
    lines = []
    for thread, frames in java.java.lang.Thread.getAllStackTraces().items():
        if thread.getName().startswith("Executor task"):
            lines += [thread.getName(), *(f"  {frame}" for frame in list(frames)[:FRAMES])]
    return lines
