"""Time from `docker compose up`, with images built, to orders on the page.

`python -m tests.benchmarks.first_insight`
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Error

from tests.containers.stack import Stack
from tests.dashboard.served import chromium, note
from tests.dashboard.test_page import figures

DEADLINE = 300
"""Seconds."""


def main() -> None:
    """Print the seconds to healthy services and to the first orders, and what the containers hold then."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        stack = Stack(Path(folder), "twinstream-first-insight")
        stack.run("build", "--quiet")
        began = time.monotonic()
        up = subprocess.Popen(stack.command("up", "--wait", "--quiet-pull"), stderr=subprocess.DEVNULL)
        try:
            orders = first_orders(browser, f"http://localhost:{stack.ports['DASHBOARD_PORT']}")
            seen = time.monotonic() - began
            up.wait(DEADLINE)
            print(f"{orders} orders on the page after {seen:.1f} s; at rest {stack.memory() / 2**30:.2f} GiB")
        finally:
            stack.run("down", "--volumes")


def first_orders(browser: Browser, address: str) -> str:
    """Return the orders that the page shows first, reopening it until it answers and all of it loads."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        page, failed = browser.new_page(), list[str]()
        page.on("requestfailed", partial(note, failed))
        with suppress(Error):
            page.goto(address, timeout=3000)
            while not failed and time.monotonic() < deadline:
                orders = figures(page).get("Orders", "")
                if orders.strip("0,") and orders.replace(",", "").isdecimal():
                    return orders
                time.sleep(0.2)
        page.close()
    raise TimeoutError(f"no orders on {address} in {DEADLINE} s")


if __name__ == "__main__":
    main()
