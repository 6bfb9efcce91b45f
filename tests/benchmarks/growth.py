"""How the cost of the discounts job grows: throughput against one property of input or machine at a time.

    python -m tests.benchmarks.growth [--rounds 3] [--only events partitions cores products offers late]

Each run reads everything that is on a topic, in batches of 250,000, and writes to Kafka. A line tells events
a second within batches, CPU microseconds an event including Spark's start, and the peak of the job's memory;
each property is varied while the others are as in `Load`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import orders
from tests.benchmarks.measured import Measured, measure
from tests.support.kafka_broker import KafkaBroker

JOB = "streaming_product_discounts"
BATCH = 250_000


@dataclass(frozen=True)
class Load:
    """What is read, and on what. `offers`: about so many rows of discounts; `late`: a share of the events."""

    events: int = 1_000_000
    partitions: int = 2
    cores: int = 2
    products: int = 200
    offers: int = 4_000
    late: float = 0.0


VARIED: dict[str, tuple[Load, ...]] = {
    "events": tuple(Load(events=count) for count in (500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000)),
    "partitions": tuple(Load(partitions=count) for count in (1, 2, 4, 8)),
    "cores": tuple(Load(cores=count) for count in (1, 2)),
    "products": tuple(Load(products=count) for count in (20, 200, 2_000, 20_000)),
    "offers": tuple(Load(offers=count) for count in (4_000, 100_000, 1_000_000, 10_000_000)),
    "late": tuple(Load(late=share) for share in (0.0, 0.1, 0.5)),
}


def main() -> None:
    """Print a line for each load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=VARIED, default=list(VARIED))
    options = parser.parse_args()
    for name in options.only:
        for load in VARIED[name]:
            print(f"{name:10} {getattr(load, name):>10} {told(load, options.rounds)}", flush=True)


def told(load: Load, rounds: int) -> str:
    """Run the job that many times, and return the medians as a line."""
    runs = list(measured(load, rounds))
    speed = statistics.median(load.events / run.batch_seconds() for run in runs)
    cost = statistics.median(run.cpu / load.events * 1e6 for run in runs)
    return (
        f"{speed:10,.0f} events/s {cost:8.1f} µs CPU an event {max(run.memory for run in runs) >> 20:6} MiB"
    )


def measured(load: Load, rounds: int) -> Iterator[Measured]:
    """Yield the cost of each run over the same topic, with a checkpoint and a result topic of its own."""
    with KafkaBroker(heap="1g") as broker, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        orders.publish(broker, load.events, load.partitions, products=load.products, late=load.late)
        table = orders.discounts(folder / "discounts.csv", users=load.offers // 2)
        for number in range(rounds):
            broker.create_topic(f"results-{number}")
            flags = (
                *(
                    "--source=kafka",
                    "--trigger=available-now",
                    "--sink=kafka",
                    f"--sink-topic=results-{number}",
                ),
                *(f"--kafka-bootstrap-servers={broker.bootstrap}", f"--kafka-max-events-per-batch={BATCH}"),
                *(f"--discounts={table}", f"--checkpoint-root={folder / str(number)}"),
            )
            yield measure(*local(load.cores), *flags)


def local(cores: int) -> tuple[str, ...]:
    """Return the command of the job in a local session that may use that many cores."""
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    return ("taskset", "--cpu-list", allowed, sys.executable, "-m", "jobs", "run", JOB)


if __name__ == "__main__":
    main()
