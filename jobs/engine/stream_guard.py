"""Checks that a source still has what a checkpoint continues with: the same topics and every unread event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Self

from pyspark.sql import SparkSession

from jobs.engine import files
from jobs.engine.checkpoint import Checkpoint, CheckpointError, Contract, refuse_differences
from jobs.engine.positions import positions
from sources.base import Source, SourceError
from sources.choice import Chosen

INTERVAL = 2.0
"""Seconds between two checks of a running job's streams."""


def refuse_loss(spark: SparkSession, source: Chosen[Source], checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if messages that the checkpoint has not read yet are gone."""
    try:
        going_on = positions(
            lambda folder: files.names(spark, f"{checkpoint.path}/{folder}"),
            lambda file: files.read_bytes(spark, f"{checkpoint.path}/{file}").decode(errors="replace"),
        )
    except OSError as error:
        raise CheckpointError(
            f"{checkpoint.path}: {error}",
            expected="Spark's files of the last batch",
            remedy=checkpoint.reset,
        ) from None
    if lost := source.it.lost(spark, going_on, source.options):
        raise overtaken(checkpoint.path, lost, checkpoint.reset)


def overtaken(path: str, lost: str, reset: str) -> CheckpointError:
    """Return the error for a checkpoint whose next messages are gone."""
    return CheckpointError(
        f"{path}: retention has taken what this run would read next: {lost}",
        expected="them to be there still",
        remedy=(
            f"start over at the oldest event kept, with an empty sink: {reset}; "
            "and raise the topic's retention.ms above the longest stop of the job"
        ),
    )


class StreamGuard:
    """A guard that stops a job whose stream is replaced while it runs; the start refuses such a stream too.

    A recreated topic begins at offset 0, and Spark, which knows topics by name, would skip as many of its
    events as it has read of the old one. The id is queried every `INTERVAL` seconds and once more at the end:
    an id never comes back, so no check is too late to notice, and no batch waits for a broker's answer.
    """

    def __init__(
        self,
        identities: Callable[[], Mapping[str, str]],
        checkpoint: Checkpoint,
        contract: Contract,
        stop: Callable[[], None],
    ) -> None:
        self._identities, self._checkpoint, self._contract, self._stop = (
            identities,
            checkpoint,
            contract,
            stop,
        )
        self._next_look = 0.0
        self._fault: CheckpointError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Raise CheckpointError if a stream was replaced, in place of Spark's own error."""
        self._look()
        if self._fault:
            raise self._fault from None

    def before(self, changed: Callable[[], bool]) -> Callable[[], bool]:
        """Return `changed` preceded by a check of the streams."""

        def both() -> bool:
            if time.monotonic() >= self._next_look:
                self._look()
            return changed()

        return both

    def _look(self) -> None:
        """Ask the job to stop if a stream was replaced; ignore a source that does not answer."""
        path, reset, contract = self._checkpoint.path, self._checkpoint.reset, self._contract
        try:
            with suppress(SourceError):
                now = replace(contract, streams={**contract.streams, **self._identities()})
                refuse_differences(path, reset, contract, now)
        except CheckpointError as fault:
            self._fault = fault
            self._stop()
        self._next_look = time.monotonic() + INTERVAL
