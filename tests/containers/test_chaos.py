"""The running stack under faults: it recovers by itself, and nothing is lost or counted twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sources import kafka
from sources.base import Message
from sources.catalog import STREAMS
from tests.containers import published
from tests.containers.stack import STATE, Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.needs("docker"), pytest.mark.timeout(1500)]

DISCOUNTS, RECOMMENDATIONS = "streaming_product_discounts", "popular_products_recommendation"
JOBS = (DISCOUNTS, RECOMMENDATIONS)
MONEY = ("gross_revenue", "discount_amount", "net_revenue")
SKEW, WATERMARK = timedelta(days=2), timedelta(minutes=30)
MINUTE = timedelta(minutes=1)
# A separate disk that can fill up; nothing that the generator sends is behind this watermark.
SMALL_DISK = """
volumes:
  state:
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=400m,uid=1000,gid=1000,mode=0755"}
"""


def restart_broker(stack: Stack) -> None:
    stack.run("restart", "kafka")


def pause_broker(stack: Stack) -> None:
    stack.run("pause", "kafka")
    time.sleep(60)  # the fault itself: a minute without the broker
    stack.run("unpause", "kafka")


def fill_disk(stack: Stack) -> None:
    before = failures(stack)
    ballast = f"{STATE}/ballast"
    stack.run(
        "exec", "-T", "discounts", "sh", "-c", f"dd if=/dev/zero of={ballast} bs=1M 2>/dev/null || true"
    )
    wait_for(lambda: failures(stack) > before, 120, "a job fails on a full disk")
    wait_for(lambda: removed(stack, ballast), 60, "room again")


def removed(stack: Stack, file: str) -> bool:
    """Return whether the file could be removed; its container may be restarting."""
    try:
        stack.run("exec", "-T", "discounts", "rm", "-f", file)
    except AssertionError:
        return False
    return True


def crash(service: str) -> Callable[[Stack], None]:
    def kill(stack: Stack) -> None:
        stack.crash(service)

    kill.__name__ = f"crash of {service}"
    return kill


def failures(stack: Stack) -> int:
    """Return how often both jobs have reported a failure."""
    return stack.run("logs", "discounts", "recommendations").count("the query failed")


SERVICES = ("kafka", "pubsublite", "generator", "discounts", "recommendations", "jupyter", "dashboard")
FAULTS = (restart_broker, *map(crash, SERVICES), fill_disk, pause_broker)


def test_every_fault_is_survived(tmp_path: Path, project: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "disk.yml").write_text(SMALL_DISK)
    settings = {"WATERMARK": "30 minutes", "MAX_FUTURE_SKEW": "2 days", "HISTORY_MINUTES": "10"}
    survived = []
    with Stack(tmp_path, project, tmp_path / "disk.yml", **settings) as stack:
        for fault in FAULTS:
            fault(stack)
            goes_on(stack, fault.__name__)
            survived.append(fault.__name__)
        stack.run("stop", "generator")
        closed_until = close(stack)
        wait_for(lambda: is_exact(stack, closed_until), 240, "rows are those of the reference")
        assert all(batch["late"] == 0 for job in JOBS for batch in stack.progress(job))
        orders = len(published.events(stack.bootstrap, "product-stream", SKEW))
    with capsys.disabled():
        print(f"\n{len(survived)} faults survived, {orders} orders exact: {', '.join(survived)}")
    assert orders > 500


def goes_on(stack: Stack, fault: str) -> None:
    """Wait until every service is healthy and both jobs have taken in events that came after the fault."""
    since = datetime.now(UTC).isoformat()

    def taken_in() -> bool:
        return stack.healthy() and all(
            any(batch["in"] and batch["time"] > since for batch in stack.progress(job)) for job in JOBS
        )

    wait_for(taken_in, 240, f"everything works after: {fault}")


def close(stack: Stack) -> datetime:
    """Publish an event per stream so late that all earlier windows are final; return their end."""
    time = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
    event = {"event_id": "last", "user_id": "nobody", "product_id": "nothing", "event_time": time.isoformat()}
    value = json.dumps(event | {"quantity": 1, "unit_price": 1}).encode()
    publisher = kafka.publisher(published.options(stack.bootstrap))
    failures: list[Exception | None] = []
    messages = [Message(name, b"nobody", value, None) for name in STREAMS]
    publisher.publish(messages, lambda _, failure: failures.append(failure))
    publisher.close()
    assert failures == [None] * len(STREAMS)
    return time - WATERMARK - 5 * MINUTE


def is_exact(stack: Stack, closed_until: datetime) -> bool:
    """Return whether both tables hold what the reference makes of everything that was published."""
    orders, views, purchases = (
        published.events(stack.bootstrap, stream, SKEW)
        for stream in ("product-stream", "browsing-stream", "purchase-stream")
    )
    insights = ("window_start", "window_end", "product_id", "orders", "discounted_orders", "units", *MONEY)
    ranked = ("window_start", "window_end", "product_id", "purchases", "buyers", "units", "revenue", "rank")
    recommended = published.recommendations(purchases, views, 2 * MINUTE, 5 * MINUTE, closed_until)
    return (
        stack.rows(DISCOUNTS, *insights) == published.discounts(orders, MINUTE)
        and stack.rows(RECOMMENDATIONS, *ranked) == recommended
    )
