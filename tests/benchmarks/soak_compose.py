"""`docker compose up` with its own settings must be as quick at the end as after a sixth of the time."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page

from tests.containers.stack import Stack, wait_for
from tests.dashboard.served import chromium, opened
from tests.dashboard.test_page import cells

JOBS = {"discounts": "streaming_product_discounts", "recommendations": "popular_products_recommendation"}
RATIO = 1.2
"""Limit of the batch time at the end over that at the first look."""
SPAN = timedelta(minutes=2)
"""The period whose batches and CPU a look covers."""
# Does what jcmd would: the images' Java lacks it.
CODE_CACHE = """
import os, pathlib, signal, socket, time
java = [one.parent.name for one in pathlib.Path("/proc").glob("[0-9]*/comm") if one.read_text() == "java\\n"]
pid = int(java[0])
pathlib.Path(f"/tmp/.attach_pid{pid}").touch()
os.kill(pid, signal.SIGQUIT)
place = pathlib.Path(f"/tmp/.java_pid{pid}")
while not place.exists():
    time.sleep(0.1)
with socket.socket(socket.AF_UNIX) as java:
    java.connect(str(place))
    java.sendall(b"1\\0jcmd\\0Compiler.codecache\\0\\0\\0")
    while answer := java.recv(65536):
        print(answer.decode(), end="")
"""
CPU = "cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || true"


@dataclass(frozen=True)
class Look:
    """A snapshot by service: cores used, memory as Docker reports it, the median batch, the code cache.

    `page` is the age of the start of the newest window on the page: a minute plus the page's lag.
    """

    cores: dict[str, float]
    memory: dict[str, str]
    batch: dict[str, float]
    code_cache: dict[str, str]
    page: str


def run(minutes: float) -> int:
    """Print a look after a sixth of the time and one at the end; return 1 if batches have become slower."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder), "twinstream-soak") as stack,
        chromium() as browser,
    ):
        begun = time.monotonic()
        page = opened(browser, f"http://localhost:{stack.ports['DASHBOARD_PORT']}", height=2000)
        looks = [look_at(stack, page, begun + part * minutes * 60) for part in (1 / 6, 1)]
        for one in fields(Look):
            print(f"{one.name}:", *(f"  {getattr(look, one.name)}" for look in looks), sep="\n")
        ratios = {service: looks[1].batch[service] / looks[0].batch[service] for service in JOBS}
        print("batch, end / first look:", {service: round(ratio, 2) for service, ratio in ratios.items()})
        return int(max(ratios.values()) > RATIO or not stack.healthy())


def look_at(stack: Stack, page: Page, at: float) -> Look:
    """Take a look at that moment (monotonic), over the `SPAN` before it."""
    while (left := at - SPAN.total_seconds() - time.monotonic()) > 0:
        page.wait_for_timeout(min(left, 30) * 1000)  # sleeping would leave the browser's events unread
    begun, before = time.monotonic(), cpu_seconds(stack)
    page.wait_for_timeout(max(at - begun, 30) * 1000)
    after, span = cpu_seconds(stack), time.monotonic() - begun
    return Look(
        {service: round((after[service] - before[service]) / span, 2) for service in before},
        memory(stack),
        {service: batch_seconds(stack, job) for service, job in JOBS.items()},
        {service: code_cache(stack, service) for service in JOBS},
        age(page),
    )


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """Return the CPU seconds of every container so far, by control groups version 2 or 1."""
    told = {service: stack.run("exec", "-T", service, "sh", "-c", CPU) for service in stack.states()}
    return {
        service: int(match[1]) / 1e6
        if (match := re.search(r"usage_usec (\d+)", text))
        else int(text or 0) / 1e9
        for service, text in told.items()
    }


def memory(stack: Stack) -> dict[str, str]:
    """Return every container's memory use and limit."""
    lines = stack.run("stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}").splitlines()
    return dict(line.split("\t") for line in lines)


def batch_seconds(stack: Stack, job: str) -> float:
    """Return the median seconds of the job's batches with input in the last `SPAN`."""
    since = datetime.now(UTC) - SPAN

    def recent() -> list[float]:
        lines = [one for one in stack.progress(job) if one["in"]]
        return [one["seconds"] for one in lines if datetime.fromisoformat(one["time"]) >= since]

    wait_for(recent, 60, f"a batch of {job}")
    return round(statistics.median(recent()), 2)


def code_cache(stack: Stack, service: str) -> str:
    """Return how much compiled code the job's Java holds."""
    told = stack.run("exec", "-T", service, "python", "-c", CODE_CACHE)
    return " ".join(re.findall(r"\b(?:size|used)=\d+Kb", told))


def age(page: Page) -> str:
    """Return how long ago the newest window on the page began."""
    start = cells(page, "newest-windows")[0][0][:5]
    hour, minute = map(int, start.split(":"))
    now = datetime.now(UTC)
    seconds = (now - now.replace(hour=hour, minute=minute, second=0, microsecond=0)).total_seconds() % 86_400
    return f"{start}, {seconds:.0f} s ago"
