"""Live publishing and the mirror in their own process, beside the one that runs the job."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sources.catalog import PRODUCT
from sources.kafka.options import KafkaOptions
from sources.pubsublite.options import LiteOptions
from tests.jobs.laptop.cutover.live import Live, orders
from tests.jobs.laptop.cutover.mirror import Mirror

LOOK = 0.02


class Traffic:
    """A `with` block that publishes `orders(seed)` and mirrors them; counts are of messages."""

    def __init__(self, seed: int, lite: LiteOptions, to_kafka: KafkaOptions) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._published, self._copied, self._repeated = (spawn.Value("q", 0) for _ in range(3))
        self._stop, self._stopped, self._end = (spawn.Event() for _ in range(3))
        arguments = (self._shared, seed, lite, to_kafka)
        self._process = spawn.Process(target=_work, args=arguments, daemon=True)

    @property
    def _shared(self) -> tuple[Any, ...]:
        counters = (self._published, self._copied, self._repeated)
        return (*counters, self._stop, self._stopped, self._end)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._end.set()
        self._process.join(60)
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        self._process.close()
        assert error is not None or code == 0, f"the traffic ended with {code}"

    @property
    def published(self) -> int:
        """Return the number of messages published so far."""
        return int(self._published.value)

    @property
    def repeated(self) -> int:
        """Return the number of messages that the mirror has sent a second time."""
        return int(self._repeated.value)

    def wait_for_published(self, count: int) -> None:
        """Wait until that many messages have been published."""
        self._wait(lambda: self.published >= count, f"publish {count}")

    def wait_for_copied(self, count: int) -> None:
        """Wait until that many messages are on Kafka."""
        self._wait(lambda: self._copied.value >= count, f"copy {count}")

    def stop(self) -> None:
        """Stop publishing."""
        self._stop.set()
        self._wait(self._stopped.is_set, "stop")

    def _wait(self, reached: Callable[[], bool], aim: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert self._process.is_alive(), f"the traffic ended with {self._process.exitcode}"
            assert time.monotonic() < deadline, f"did not {aim}: {self.published}, {self._copied.value}"
            time.sleep(LOOK)


def _work(shared: tuple[Any, ...], seed: int, lite: LiteOptions, to_kafka: KafkaOptions) -> None:
    published, copied, repeated, stop, stopped, end = shared
    parent = multiprocessing.parent_process()
    assert parent
    with Mirror(PRODUCT, lite, to_kafka) as mirror:

        def share() -> None:
            copied.value, repeated.value = mirror.copied, mirror.repeated
            time.sleep(LOOK)
            assert parent.is_alive(), "whoever started this was killed"

        with Live(lite, orders(seed)) as live:
            while not stop.is_set():
                published.value = live.published
                share()
        published.value = live.published
        stopped.set()
        while not end.is_set():
            share()
