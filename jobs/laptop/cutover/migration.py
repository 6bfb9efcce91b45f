"""A job's switch from Pub/Sub Lite to Kafka: the run that ends and the run that begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.engine import command_line
from jobs.engine.command_line import Invocation
from jobs.engine.job import Job
from sources import base as sources
from sources import instants
from sources.flags import Parser

LITE, KAFKA = "pubsublite", "kafka"
COMPUTED = ("--kafka-starting", "--starting", "--windows-after")
"""The new run's flags that the cut-over computes."""


@dataclass(frozen=True)
class Migration:
    """The two runs of a cut-over.

    `old`: the run on Pub/Sub Lite. `new`: the run on Kafka, as far as its flags were given; `arguments`: the
    same as command-line arguments. `given`: the arguments of both, verbatim.
    """

    job: Job[Any]
    old: Invocation
    new: Invocation
    arguments: tuple[str, ...]
    given: tuple[str, ...]

    @property
    def old_checkpoint(self) -> str:
        """Return the folder of the Lite run's checkpoint."""
        return self.old.checkpoint

    @property
    def new_checkpoint(self) -> str:
        """Return the folder of the Kafka run's checkpoint."""
        return self.new.checkpoint

    def flags(self, start: datetime | None, finished: datetime | None) -> list[str]:
        """Return the arguments of the run on Kafka; None: from the oldest event on, and all windows."""
        words = [f"--source={KAFKA}", *self.arguments]
        words.append(f"--kafka-starting={instants.text(start) if start else 'earliest'}")
        if finished:
            words.append(f"--windows-after={instants.text(finished)}")
        return words


def parse_migration(job: Job[Any], parser: Parser, arguments: Sequence[str]) -> Migration:
    """Return the two runs of one command line; flags that belong to neither broker apply to both runs.

    Exit with code 2 and a one-line message if the job does not accept an argument.
    """
    given = _pairs(parser, arguments)
    for flag, value in given:
        if flag in COMPUTED:
            parser.error(
                f"{flag}={value}: is what this finds out; expected the running job's flags without it"
            )
        if flag == "--source" and value != LITE:
            parser.error(
                f"--source={value}: expected {LITE}, or nothing: this is the way from there to {KAFKA}"
            )
    both = [(flag, value) for flag, value in given if flag != "--source"]
    source = sources.choice(LITE, (LITE, KAFKA))
    of_lite, of_kafka = source.flags_of(LITE), source.flags_of(KAFKA)
    to_kafka = any(flag == "--sink" and value == KAFKA for flag, value in both)
    left_out = set() if to_kafka else of_kafka
    old = command_line.parse(
        job, [f"--source={LITE}", *_words(pair for pair in both if pair[0] not in left_out)]
    )
    new = _words(pair for pair in both if pair[0] not in of_lite)
    if old.sink.name == "parquet":
        # Batch numbers start at 0 again: in the same folder, they would replace the old run's batches.
        new = [word for word in new if not word.startswith("--sink-path=")]
        new.append(f"--sink-path={old.sink.options.sink_path}-kafka")
    return Migration(
        job, old, command_line.parse(job, [f"--source={KAFKA}", *new]), tuple(new), tuple(_words(given))
    )


def _pairs(parser: Parser, arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Return the flags with their values; each of a job's flags takes one."""
    pairs, waiting = [], iter(arguments)
    for word in waiting:
        flag, equals, value = word.partition("=")
        if not flag.startswith("--"):
            parser.error(f"{word!r}: expected a flag, like --sink-path=FOLDER")
        if not equals and (following := next(waiting, None)) is not None:
            value = following
        pairs.append((flag, value))
    return pairs


def _words(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{flag}={value}" for flag, value in pairs]
