"""Reports of failed runs: one line with cause and remedy for the user, and the full trace in a file."""

from __future__ import annotations

import re
import tempfile
import traceback
from pathlib import Path

from py4j.protocol import Py4JError, Py4JJavaError

from jobs.engine.terminal import printable
from sources.fault import Fault

TORN = (
    r"Incomplete log file|Checksum error|EOFException|No content to map|MismatchedInputException"
    r"|Malformed|malformed|file is truncated|does not exist.*\.(?:delta|snapshot)"
)
CHECKPOINT = r"/(?:offsets|commits|sources|state)/|/metadata\b|StateStore|StreamMetadata|HDFSMetadataLog"
FULL = "No space left on device|Disk quota exceeded"
MEMORY = "OutOfMemoryError|GC overhead limit"
RETENTION = "OffsetOutOfRange|data (?:may have been|was) missed|offset was changed from"
MORE_MEMORY = (
    "a smaller --kafka-max-events-per-batch, a shorter window or --watermark, or a machine with more memory"
)
_CAUSE = re.compile(r"^(?:Caused by: |: )?(?:[\w$]+\.)*(\w*(?:Exception|Error))(?:: (.*))?$", re.MULTILINE)
_EMPTY_SHELL = ("An error occurred while calling", "An exception was raised by the Python Proxy")


def failure(error: BaseException, reset: str = "twinstream reset") -> str:
    """Return one line that says why a run failed and what to do.

    `reset`: the command that deletes its checkpoint. The trace is kept in a file, which the line names.
    """
    text = _text(error)
    expected, remedy = _advice(text, error, reset)
    fault = Fault(f"the query failed: {cause(text)}", expected=expected, remedy=remedy)
    return printable(f"{fault}; the whole trace: {_kept(error, text)}")


def cause(text: str) -> str:
    """Return the innermost meaningful reason in a trace, without the query plan that follows it."""
    causes = [
        f"{kind}: {message}" if message else kind
        for kind, message in _CAUSE.findall(_before_plan(text))
        if not message.startswith(_EMPTY_SHELL)
    ]
    lines = [line.strip() for line in _before_plan(text).splitlines() if line.strip()]
    said = causes[-1] if causes else next(iter(lines), "no reason given")
    return " ".join(said.split()).rstrip(".;")


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, Py4JJavaError) else f"{type(error).__name__}: {error}"


def _before_plan(text: str) -> str:
    return text.partition("\n=== Streaming Query ===")[0]


def _advice(text: str, error: BaseException, reset: str) -> tuple[str, str]:
    """Return what was expected and the remedy; both are empty for an error that is not known."""
    if re.search(FULL, text):
        return "room on the disk", "free some, then run the same command: it continues"
    if re.search(MEMORY, text):
        return "enough memory for Java", MORE_MEMORY
    if re.search(RETENTION, text):
        start_over = f"start over at the oldest event kept, with an empty sink: {reset}"
        return "events to be kept until they are read", f"{start_over}; and raise the topic's retention.ms"
    if re.search(TORN, text) and re.search(CHECKPOINT, text):
        whole = "a whole file in the checkpoint: a power cut or a full disk tears them"
        return whole, f"start over with an empty sink: {reset}"
    if isinstance(error, Py4JError | ConnectionError) and not isinstance(error, Py4JJavaError):
        alive = "Spark's Java process to run: it was killed, or ran out of memory"
        return alive, f"run the same command: it continues; if that ends the same way, {MORE_MEMORY}"
    return "", ""


def _kept(error: BaseException, text: str) -> str:
    """Save the trace to a file that belongs to this user and return its path, or why there is none."""
    trace = "".join(traceback.format_exception(error)) + "\n" + text
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            errors="backslashreplace",
            prefix="twinstream-",
            suffix=".trace",
            delete=False,
        ) as file:
            file.write(trace)
        return str(Path(file.name))
    except OSError as fault:
        return f"not kept ({fault.strerror})"
