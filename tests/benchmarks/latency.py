"""Latency from event to result in update mode: p50, p95 and p99 over the results of a steady stream.

    python -m tests.benchmarks.latency [--rate 1000] [--seconds 60] [--rounds 1] [--beside CHECKOUT]

An open loop: an event carries the time at which it was due, whether or not it could be sent then. A result's
latency is the time at which a consumer sees it minus the due time of the newest event in its batch of
results, that is, of the event that changed the window last. The first third is warm-up and left out.
`--beside` also measures the job of another checkout, run by the same Python, with jars in its own `.jars`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from jobs.engine.jar_files import CHECKOUT
from sources.catalog import PRODUCT
from sources.kafka.options import COMMITTED
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess

JOB = "streaming_product_discounts"
PRODUCTS = 50


def main() -> None:
    """Print the percentiles of every round, ours and the other checkout's in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--beside", type=Path, help="a checkout of another commit")
    options = parser.parse_args()
    checkouts = {"ours": CHECKOUT, **({"beside": options.beside} if options.beside else {})}
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            print(f"{name}: {percentiles(checkout, options.rate, options.seconds)}", flush=True)


def percentiles(checkout: Path, rate: int, seconds: int) -> str:
    """Run the job on a broker of its own; return the percentiles as text."""
    with KafkaBroker() as broker, tempfile.TemporaryDirectory() as folder:
        broker.create_topic(PRODUCT.topic, partitions=2)
        broker.create_topic("results", partitions=1)
        table = Path(folder, "discounts.csv")
        table.write_text("user_id,product_id,discount_percent\nuser-1,product-1,10\n")
        flags = [
            *("--source=kafka", "--output-mode=update", "--sink=kafka", "--sink-topic=results"),
            *(f"--kafka-bootstrap-servers={broker.bootstrap}", f"--discounts={table}"),
            f"--checkpoint-root={folder}/checkpoints",
        ]
        due: dict[tuple[str, int], float] = {}
        with JobProcess(JOB, *flags, checkout=checkout) as job:
            send(broker, 1, 5, due)
            job.wait_for(" batch=0 ")
            sender = threading.Thread(target=send, args=(broker, rate, seconds, due))
            sender.start()
            seen = receive(broker, sender)
        return report(due, seen, seconds)


def send(broker: KafkaBroker, rate: int, seconds: int, due: dict[tuple[str, int], float]) -> None:
    """Send `rate` events a second, recording when each was due by product and event time in microseconds."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    begun = time.time()
    for number in range(rate * seconds):
        moment = begun + number / rate
        time.sleep(max(0.0, moment - time.time()))
        product = f"product-{number % PRODUCTS}"
        event = {
            "event_id": f"{begun}-{number}",
            "user_id": "user-1",
            "product_id": product,
            "event_time": datetime.fromtimestamp(moment, UTC).isoformat(),
            "quantity": 1,
            "unit_price": 1,
        }
        due[product, int(moment * 1_000_000)] = moment
        producer.produce(PRODUCT.topic, json.dumps(event), partition=number % 2)
        producer.poll(0)
    producer.flush()


def receive(broker: KafkaBroker, sender: threading.Thread) -> list[tuple[float, str, datetime, int]]:
    """Return results as they become visible, until none has come for 5 s after the last event was sent."""
    consumer = Consumer(
        {**COMMITTED, "bootstrap.servers": broker.bootstrap, "group.id": "latency", "fetch.wait.max.ms": 5}
    )
    consumer.assign([TopicPartition("results", 0, 0)])
    seen, quiet = [], 0.0
    while sender.is_alive() or time.monotonic() - quiet < 5:
        message = consumer.poll(0.1)
        if message is not None and (value := message.value()):
            now, result = time.time(), json.loads(value)
            start = datetime.fromisoformat(result["window_start"])
            seen.append((now, result["product_id"], start, result["orders"]))
            quiet = time.monotonic()
    consumer.close()
    return seen


def report(
    due: dict[tuple[str, int], float], seen: list[tuple[float, str, datetime, int]], seconds: int
) -> str:
    """Return the percentiles as text.

    A result with `orders` = n covers the window's first n events: the n-th caused it.
    """
    of_window: dict[tuple[str, datetime], list[float]] = {}
    for (product, _), moment in sorted(due.items(), key=lambda item: item[1]):
        start = datetime.fromtimestamp(moment // 60 * 60, UTC)
        of_window.setdefault((product, start), []).append(moment)
    warm = max(due.values()) - seconds * 2 / 3
    latencies = []
    for now, product, start, orders in seen:
        newest = of_window[product, start][orders - 1]
        if newest >= warm:
            latencies.append(now - newest)
    assert seen[-1][3] > 0
    cuts = statistics.quantiles(latencies, n=100)
    return f"{len(latencies)} results; p50 {cuts[49]:.3f} s, p95 {cuts[94]:.3f} s, p99 {cuts[98]:.3f} s"


if __name__ == "__main__":
    main()
