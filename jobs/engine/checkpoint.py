"""The checkpoint guard: a job continues only a checkpoint that fits it, and otherwise says how to start over.

In addition to Spark's own files, a checkpoint holds `twinstream.json`, the contract of the run that began it.
Its lock is a file on this machine's disk that is released when its process ends, however it ends. It lies
next to the checkpoint, not inside, so that it can be taken before anything in the checkpoint is read, and so
that its holder may delete the whole checkpoint.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession

from jobs.engine import files, offset_log
from sources.fault import Fault

CONTRACT = "twinstream.json"
STATEFUL = ("Aggregate", "Deduplicate", "DeduplicateWithinWatermark", "Join", "Window")


class CheckpointError(Fault):
    """The reason a checkpoint cannot be used, and the command that clears the way for a new one."""


def unwritable(path: str, error: OSError) -> CheckpointError:
    """Return the error for a checkpoint whose folder cannot be written."""
    return CheckpointError(
        f"{path}: cannot be written ({error})",
        expected="a writable folder, see --checkpoint-root",
    )


@dataclass(frozen=True)
class Contract:
    """Everything that must stay the same in all runs on a checkpoint.

    `streams`: each stream's identity at its source. `settings`: flags by name. `query`: the query's stateful
    operators. `reads`: the stream of each of its sources, in Spark's order; empty if an earlier release began
    the checkpoint.
    """

    job: str
    source: str
    streams: dict[str, str]
    settings: dict[str, str]
    query: list[str]
    reads: list[str] = field(default_factory=list)

    def differences(self, old: Contract) -> list[str]:
        """Return what has changed since `old`, as human-readable phrases."""
        found = [f"it belongs to job {old.job}"] if old.job != self.job else []
        found += [f"it belongs to --source {old.source}"] if old.source != self.source else []
        found += [f"{name} was not read before" for name in sorted(self.streams.keys() - old.streams.keys())]
        found += [f"{name} is no longer read" for name in sorted(old.streams.keys() - self.streams.keys())]
        for name in sorted(old.streams.keys() & self.streams.keys()):
            before, now = old.streams[name], self.streams[name]
            found += [f"{name} was recreated (id was {before}, now {now})"] if before != now else []
        for flag in sorted({*old.settings, *self.settings}):
            before, now = old.settings.get(flag, "not set"), self.settings.get(flag, "not set")
            found += [f"{flag} was {before}, now {now}"] if before != now else []
        if not found and _without_renamings(old.query) != _without_renamings(self.query):
            found.append("the job's query has changed")
        if not found and old.reads and old.reads != self.reads:
            found.append("the order in which the job reads its streams has changed")
        return found


def parse_contract(content: str | bytes) -> Contract:
    """Return the contract in the content of a `CONTRACT`.

    Raise ValueError, TypeError or KeyError if there is none.
    """
    return Contract(**json.loads(content)["contract"])


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that may be used.

    `application` is unique to it. `fresh`: no batch was ever planned. `reset`: the command that deletes it.
    """

    path: str
    application: str
    fresh: bool
    reset: str


def path_of(root: str, job: str, source: str) -> str:
    """Return the path of the checkpoint of a job that reads a source."""
    return f"{root.rstrip('/')}/{job}/{source}"


def reset_command(root: str, job: str, source: str) -> str:
    """Return the command that deletes a checkpoint."""
    return f"twinstream reset {job} --source {source} --checkpoint-root {root}"


def query_shape(rows: DataFrame) -> list[str]:
    """Return a query's stateful operators and other joins, without the parts that vary from run to run."""
    plan = rows._jdf.queryExecution().analyzed().toString()
    # Spark 4 marks each operator of a stream with a tilde.
    operators = (re.sub(r"^[\s:+\-~]*", "", line) for line in plan.splitlines())
    return [re.sub(r"#\d+L?", "", line) for line in operators if line.split(" ")[0] in STATEFUL]


def _without_renamings(query: list[str]) -> list[str]:
    """Return the operators without `name AS name`, which Spark 3.5 prints where 4.1 prints `name`."""
    return [re.sub(r"([\w-]+) AS \1(?![\w-])", r"\1", operator) for operator in query]


def open_checkpoint(spark: SparkSession, root: str, contract: Contract) -> Checkpoint:
    """Return the checkpoint for this contract, creating it if there is none.

    Raise CheckpointError if it belongs to another contract, is not one of ours or cannot be written.
    """
    path = path_of(root, contract.job, contract.source)
    remedy = reset_command(root, contract.job, contract.source)
    try:
        fresh = not any(name.isdecimal() for name in files.names(spark, f"{path}/offsets"))
        if files.version(spark, f"{path}/{CONTRACT}") is None:
            if not all(map(_is_of_a_beginning, files.names(spark, path))):
                raise CheckpointError(
                    f"{path}: not a checkpoint of twinstream (no {CONTRACT})",
                    remedy=remedy,
                )
            return Checkpoint(path, _begin(spark, path, contract), fresh, remedy)
        old, application = _read(spark, path, remedy)
        files.make_folder(spark, path)
        refuse_differences(path, remedy, old, contract)
        if not old.reads:
            _write_contract(spark, path, application, contract)
        offset_log.drop_dead_letters(spark, path, len(contract.reads))
    except OSError as error:
        raise unwritable(path, error) from None
    return Checkpoint(path, application, fresh, remedy)


def refuse_differences(path: str, remedy: str, old: Contract, new: Contract) -> None:
    """Raise CheckpointError if a run with contract `new` cannot continue a checkpoint that `old` began."""
    if differences := new.differences(old):
        raise CheckpointError(
            f"{path}: this run cannot continue the checkpoint: {'; '.join(differences)}",
            remedy=f"undo that, give another --checkpoint-root, or start over: {remedy}",
        )


def delete(spark: SparkSession, path: str) -> bool:
    """Delete a checkpoint that the caller holds and return whether there was one.

    The contract goes first, so that the remains of a killed deletion never look like a checkpoint. Raise
    OSError with the reason if the checkpoint cannot be deleted.
    """
    files.delete(spark, f"{path}/{CONTRACT}")
    return files.delete(spark, path)


@contextmanager
def held(checkpoint: str) -> Iterator[None]:
    """Hold a checkpoint's lock while the block runs.

    A checkpoint whose parent folder is not on this machine (`gs://`) has no lock: gcloud knows which jobs run
    on Dataproc. Raise CheckpointError if another process holds the lock.
    """
    lock = _lock(checkpoint)
    if not lock.parent.is_dir():
        yield
        return
    try:
        file = lock.open("a+")
    except OSError as error:
        raise CheckpointError(
            f"{lock}: cannot be written ({error.strerror})",
            expected="a writable folder, see --checkpoint-root",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(checkpoint, lock) from None
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield


def is_held(checkpoint: str) -> bool:
    """Return whether a run holds the checkpoint; False also if that is unknown (`gs://`)."""
    with suppress(FileNotFoundError, NotADirectoryError), _lock(checkpoint).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_of_a_beginning(name: str) -> bool:
    """Return whether a run that was killed before its first batch leaves a file of that name."""
    return name.lstrip(".").startswith((CONTRACT, "writable"))


def _begin(spark: SparkSession, path: str, contract: Contract) -> str:
    application = str(uuid4())
    _write_contract(spark, path, application, contract)
    return application


def _write_contract(spark: SparkSession, path: str, application: str, contract: Contract) -> None:
    content = json.dumps({"application": application, "contract": asdict(contract)}, indent=1)
    files.write_bytes(spark, f"{path}/{CONTRACT}", content.encode())


def _read(spark: SparkSession, path: str, remedy: str) -> tuple[Contract, str]:
    content = files.read_bytes(spark, f"{path}/{CONTRACT}")
    try:
        return parse_contract(content), json.loads(content)["application"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path}/{CONTRACT}: broken ({error!r})",
            remedy=remedy,
        ) from None


def _lock(checkpoint: str) -> Path:
    return Path(re.sub("^file:/+", "/", checkpoint) + ".lock")


def _in_use(checkpoint: str, lock: Path) -> CheckpointError:
    process = lock.read_text().strip()
    return CheckpointError(
        f"{checkpoint}: a running job works on it (process {process})",
        expected="one at a time, because two break each other's state",
        remedy=f"stop that one (kill {process}), or give another --checkpoint-root",
    )
