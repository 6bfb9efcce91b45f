"""Throughput and catch-up of the discounts job against hand-written Spark, side by side on one broker.

    python -m tests.benchmarks.throughput [--events 2000000] [--rounds 3]

Every job reads the same topic and writes to Kafka; `batches` is the time inside batches, `cpu` that of the
whole process, Spark's start included. A ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import orders
from tests.benchmarks.measured import Measured, line, measure, ratios
from tests.kafka_broker import KafkaBroker

BATCH = 1_000_000
"""The most events of a batch, ours and theirs: the jobs' default."""


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with KafkaBroker(heap="1g") as broker, tempfile.TemporaryDirectory() as folder:
        orders.publish(broker, options.events)
        table = orders.discounts(Path(folder, "discounts.csv"))
        runners = contestants(broker, str(table), Path(folder))
        results: dict[str, list[Measured]] = {name: [] for name in runners}
        for number in range(options.rounds):
            for name, runner in runners.items():
                results[name].append(runner(f"{name}-{number}"))
    report(results)


def contestants(broker: KafkaBroker, table: str, folder: Path) -> dict[str, Callable[[str], Measured]]:
    """Every job, by name, to be run with the name of its own result topic."""

    def ours(topic: str) -> Measured:
        broker.create_topic(topic, partitions=1)
        return measure(
            *(
                "-m",
                "jobs",
                "run",
                "streaming_product_discounts",
                "--source=kafka",
                "--trigger=available-now",
            ),
            *(f"--kafka-bootstrap-servers={broker.bootstrap}", f"--discounts={table}", "--sink=kafka"),
            *(f"--sink-topic={topic}", f"--checkpoint-root={folder / topic}"),
            f"--kafka-max-events-per-batch={BATCH}",
        )

    def raw(style: str, settings: str) -> Callable[[str], Measured]:
        def run(topic: str) -> Measured:
            broker.create_topic(topic, partitions=1)
            return measure(
                *("-m", "tests.benchmarks.raw_discounts", f"--bootstrap={broker.bootstrap}"),
                *(f"--discounts={table}", f"--topic={topic}", f"--style={style}", f"--settings={settings}"),
                f"--batch={BATCH}",
            )

        return run

    return {
        "ours": ours,
        "tuned": raw("tuned", "tuned"),
        "usual": raw("usual", "tuned"),
        "usual-defaults": raw("usual", "default"),
    }


def report(results: dict[str, list[Measured]]) -> None:
    """Print what was measured."""
    batches = {name: [run.batch_seconds() for run in runs] for name, runs in results.items()}
    cpu = {name: [run.cpu for run in runs] for name, runs in results.items()}
    for name in results:
        print(line(f"{name}: batches", batches[name]))
        print(line(f"{name}: cpu", cpu[name], "s cpu"))
    for name in list(results)[1:]:
        print(ratios(f"{name} / ours: batches", batches[name], batches["ours"]))
        print(ratios(f"{name} / ours: cpu", cpu[name], cpu["ours"]))


if __name__ == "__main__":
    main()
