"""What a micro-batch costs in update mode at a steady rate, against hand-written Spark: median milliseconds.

    python -m tests.benchmarks.batches [--rate 1000] [--seconds 240] [--rounds 3] [--beside CHECKOUT]

All read the same events from a broker of their own, check them by the same rules, drop duplicates, join,
aggregate and write to Kafka; `by hand` keeps no dead letters, `with letters` does. The first half is warm-up
and left out. A ratio above 1 means that ours is slower.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from jobs.engine.jar_files import CHECKOUT
from sources.catalog import PRODUCT
from tests.benchmarks.latency import JOB, send
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess, Program

Start = Callable[[KafkaBroker, Path, Path], Program]


def main() -> None:
    """Print each contestant's median in every round, and the ratios of the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=Path, help="a checkout of another commit")
    options = parser.parse_args()
    contestants: dict[str, Start] = {
        "ours": ours(CHECKOUT),
        "by hand": by_hand(),
        "with letters": by_hand("letters"),
    }
    contestants |= {"beside": ours(options.beside)} if options.beside else {}
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, start in contestants.items():
            found[name].append(median(start, options.rate, options.seconds))
            print(f"{name:14} {found[name][-1]:6.0f} ms a batch", flush=True)
    for name in (name for name in contestants if name != "ours"):
        ratios = [own / other for own, other in zip(found["ours"], found[name], strict=True)]
        print(f"ours / {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def ours(checkout: Path) -> Start:
    """Return how the job of a checkout is started."""

    def start(broker: KafkaBroker, folder: Path, table: Path) -> Program:
        flags = [
            *("--source=kafka", "--output-mode=update", "--sink=kafka", "--sink-topic=results"),
            *(f"--kafka-bootstrap-servers={broker.bootstrap}", f"--discounts={table}"),
            f"--checkpoint-root={folder / 'checkpoints'}",
        ]
        return JobProcess(JOB, *flags, checkout=checkout)

    return start


def by_hand(letters: str = "") -> Start:
    """Return how the hand-written query is started; `letters`: the folder of its dead letters."""

    def start(broker: KafkaBroker, folder: Path, table: Path) -> Program:
        flags = [
            *("--style=tuned", "--checks=strict", "--settings=tuned", "--batch=1000000", "--topic=results"),
            *("--output-mode=update", "--trigger=continuous-batches"),
            *(f"--bootstrap={broker.bootstrap}", f"--discounts={table}"),
            *([f"--letters={folder / letters}"] if letters else []),
        ]
        return Program("-m", "tests.benchmarks.raw_discounts", *flags)

    return start


def median(start: Start, rate: int, seconds: int) -> float:
    """Return the median of the milliseconds of a batch with events in the second half of the time."""
    with KafkaBroker() as broker, tempfile.TemporaryDirectory() as name:
        broker.create_topic(PRODUCT.topic, partitions=2)
        broker.create_topic("results", partitions=1)
        table = Path(name, "discounts.csv")
        table.write_text("user_id,product_id,discount_percent\nuser-1,product-1,10\n")
        with start(broker, Path(name), table) as job:
            send(broker, 1, 5, {})
            job.wait_for(r"\bbatch=0 ")
            sender = threading.Thread(target=send, args=(broker, rate, seconds, {}))
            sender.start()
            time.sleep(seconds / 2)
            before = len(job.lines)
            sender.join()
            lines = job.lines[before:]
    found = [re.search(r" in=([1-9]\d*) .*seconds=([\d.]+)", line) for line in lines]
    return statistics.median(float(match[2]) * 1000 for match in found if match)


if __name__ == "__main__":
    main()
