"""What a failed run reports: the innermost cause, the remedy, and the place of the trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from py4j.protocol import Py4JNetworkError

from jobs.engine.failure import failure

PLAN = "\n=== Streaming Query ===\nLogical Plan:\n+- RelationError: FileStreamSource[file:/a/offsets/1]"
PROXY = (
    "An exception was raised by the Python Proxy. Return Message: Traceback (most recent call last):\n"
    '  File "clientserver.py", line 617, in _call_proxy\n'
)
CALLED = "py4j.protocol.Py4JJavaError: An error occurred while calling o927.text.\n"
TORN = (
    "expected a whole file in the checkpoint: a power cut or a full disk tears them; "
    "remedy: start over with an empty sink: RESET"
)
ROOM = "expected room on the disk; remedy: free some, then run the same command: it continues"
SAID = {
    "Failed to read log file file:/c/job/offsets/1. Incomplete log file": (
        f"RuntimeError: Failed to read log file file:/c/job/offsets/1. Incomplete log file; {TORN}"
    ),
    f"{PROXY}{CALLED}: org.apache.spark.SparkException: Job aborted\n"
    "\tat a.b.HDFSBackedStateStoreProvider.c(d)\nCaused by: java.io.EOFException\n": (
        f"EOFException; {TORN}"
    ),
    f"{PROXY}{CALLED}: org.apache.hadoop.fs.FSError: java.io.IOException: No space left on device\n": (
        f"FSError: java.io.IOException: No space left on device; {ROOM}"
    ),
    f"{PROXY}OSError: [Errno 122] Disk quota exceeded: '/c/x'\n": (
        f"OSError: [Errno 122] Disk quota exceeded: '/c/x'; {ROOM}"
    ),
    f"{PROXY}{CALLED}: java.lang.OutOfMemoryError: Java heap space\n": (
        "OutOfMemoryError: Java heap space; expected enough memory for Java; remedy: a smaller "
        "--kafka-max-events-per-batch, a shorter window or --watermark, or a machine with more memory"
    ),
    "Job aborted\nCaused by: org.apache.kafka.clients.consumer.OffsetOutOfRangeException: Fetch position "
    "FetchPosition{offset=3}\n": (
        "OffsetOutOfRangeException: Fetch position FetchPosition{offset=3}; expected events to be kept until "
        "they are read; remedy: start over at the oldest event kept, with an empty sink: RESET; and raise "
        "the topic's retention.ms"
    ),
    f"{PROXY}{CALLED}: a.b.StrangeException: what\x1b[2J is this\n": (
        r"StrangeException: what\u001b[2J is this"
    ),
}


@pytest.mark.parametrize("text", SAID)
def test_a_failure_is_its_cause_and_remedy_and_a_file_with_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = failure(RuntimeError(text + PLAN), "RESET")
    (trace,) = tmp_path.iterdir()
    assert said == f"the query failed: {SAID[text]}; the whole trace: {trace}"
    assert text + PLAN in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0


def test_a_java_that_is_gone_says_so_even_if_no_trace_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    assert failure(Py4JNetworkError("Answer from Java side is empty")) == (
        "the query failed: Py4JNetworkError: Answer from Java side is empty; expected Spark's Java process "
        "to run: it was killed, or ran out of memory; remedy: run the same command: it continues; if that "
        "ends the same way, a smaller --kafka-max-events-per-batch, a shorter window or --watermark, or a "
        "machine with more memory; the whole trace: not kept (No such file or directory)"
    )
