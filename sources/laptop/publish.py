"""Publish a scenario's events, as fast as the broker takes them or at a given rate."""

from __future__ import annotations

import math
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from sources import instants
from sources.base import Publisher, Source, parse
from sources.catalog import PRODUCT
from sources.choice import Chosen
from sources.flags import Parser, above_zero, flag, flags, whole_number
from sources.laptop import scenarios
from sources.laptop.arrivals import Arrival, Batch
from sources.laptop.progress import Progress
from sources.laptop.scenarios import SCENARIOS
from sources.laptop.signals import stopping

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
REAL_TIME = "real-time"
UNLIMITED = "unlimited"
PATIENCE = 2
"""Seconds without a record after which a stream counts as empty."""


def _rate(value: str) -> str | float:
    if value == REAL_TIME:
        return value
    try:
        return above_zero(value)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{value!r}: expected a number above 0 or {REAL_TIME}") from None


def _count(value: str) -> float:
    if value == UNLIMITED:
        return math.inf
    try:
        return whole_number(value)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{value!r}: expected a whole number >= 1 or {UNLIMITED}") from None


@dataclass(frozen=True)
class PublishOptions:
    """What to publish, and how fast."""

    scenario: str = flag("scenario to publish", default="shop", choices=tuple(SCENARIOS))
    rate: str | float | None = flag(
        f"events per second, or {REAL_TIME}: each at its event time (default: as fast as possible)",
        parse=_rate,
    )
    count: float | None = flag(
        f"number of messages, or {UNLIMITED} (default: one round of the scenario)", parse=_count
    )
    history_minutes: int | None = flag(
        f"with --rate {REAL_TIME}, if product-stream is empty: minutes of the past to publish first",
        parse=whole_number,
    )
    alive_file: Path | None = flag(
        "file to touch while messages are acknowledged, for a health check", parse=Path
    )
    seed: int = flag("random seed; another seed gives different events", default="1", parse=int)
    start: datetime | None = flag(
        f"event time of the first event (default: {instants.text(FIRST)} for replay; on a broker, now or"
        " early enough that the last event is not in the future)",
        parse=instants.flag,
    )


def command(argv: Sequence[str]) -> int:
    """Run `twinstream publish`; return 0 if every message was acknowledged, otherwise 1."""
    parser = Parser(prog="twinstream publish", description="\n".join(_about()))
    parser.accept(flags(PublishOptions))
    parsed, source = parse(parser, argv, default="replay")
    options = parsed.of(PublishOptions)
    publisher = source.it.publisher(source.options)
    progress = Progress("published", options.alive_file)
    try:
        with stopping() as stop:
            pace = _Pace(options.rate, stop)
            _publish(_batches(options, source), publisher, progress, pace, flush_each=source.it.BOUNDED)
    finally:
        publisher.close()
    progress.finish(progress.acknowledgements())
    return 1 if progress.failures else 0


def _publish(
    batches: Iterable[Batch],
    publisher: Publisher,
    progress: Progress,
    pace: _Pace,
    flush_each: bool,
) -> None:
    def meanwhile() -> None:
        publisher.publish([], progress.acknowledge)
        progress.show()

    for batch in batches:
        for part in pace.parts(batch, meanwhile):
            publisher.publish([arrival.message for arrival in part], progress.acknowledge)
            progress.add(len(part))
        if flush_each:
            publisher.flush()
        if pace.stop():
            return


def _about() -> Iterator[str]:
    yield "Publish a scenario's events. The same seed and start give the same bytes."
    for name, scenario in SCENARIOS.items():
        yield f"{name}: {scenario.about}."


def _batches(options: PublishOptions, source: Chosen[Source]) -> Iterator[Batch]:
    """Yield the scenario's batches, cut off after `--count` messages."""
    scenario = SCENARIOS[options.scenario]
    start = options.start or _start(options, source)
    if options.count is None:
        yield from scenarios.one_round(scenario, options.seed, start)
        return
    left = options.count
    for batch in scenarios.batches(scenario, options.seed, start):
        yield batch[: int(min(left, len(batch)))]
        left -= len(batch)
        if left <= 0:
            return


def _start(options: PublishOptions, source: Chosen[Source]) -> datetime:
    """Return the event time at which to start.

    It is fixed for files; on a broker, the last event should not be ahead of the clock.
    """
    if source.it.BOUNDED:
        return FIRST
    scenario, now = SCENARIOS[options.scenario], datetime.now(UTC)
    if options.rate == REAL_TIME or options.count == math.inf:
        return now.replace(microsecond=0) - _history(options, source)
    round_length = sum(map(len, scenarios.one_round(scenario, options.seed, now)))
    rounds = math.ceil(1.2 * (options.count or 0) / round_length) or 1
    return (now - rounds * scenario.span).replace(second=0, microsecond=0)


def _history(options: PublishOptions, source: Chosen[Source]) -> timedelta:
    """Return how much of the past to publish first.

    Nothing if the stream already has events, as after a restart: past events would be late.
    """
    if not options.history_minutes or options.rate != REAL_TIME:
        return timedelta(0)
    first = islice(source.it.records(PRODUCT, source.options), PATIENCE)
    return timedelta(0) if any(first) else timedelta(minutes=options.history_minutes)


class _Pace:
    """The schedule of the messages, unaffected by what became of earlier ones; after `stop`, none is due."""

    def __init__(self, rate: str | float | None, stop: Callable[[], bool]) -> None:
        self._rate = rate
        self.stop = stop
        self._started = time.monotonic()
        self._sent = 0

    def parts(self, batch: Batch, meanwhile: Callable[[], None]) -> Iterator[Batch]:
        """Yield the batch in parts, each when it is due; call `meanwhile` while waiting."""
        size = 1000 if self._rate is None else 1
        for part in (batch[at : at + size] for at in range(0, len(batch), size)):
            while not self.stop() and (wait := self._wait(part[0])) > 0:
                time.sleep(min(wait, 0.2))
                meanwhile()
            if self.stop():
                return
            self._sent += 1
            yield part

    def _wait(self, arrival: Arrival) -> float:
        if self._rate is None:
            return 0
        if isinstance(self._rate, float):
            return self._started + self._sent / self._rate - time.monotonic()
        return (arrival.at - datetime.now(UTC)).total_seconds()
