"""The dashboard as its image runs it, and a real Chromium that opens it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, Request, TimeoutError, sync_playwright

import dashboard

PACKAGE = Path(dashboard.__file__).parent


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the page and yield its address; `folder` holds `results`, `progress` and `dead-letters`."""
    with serving(folder) as (address, _):
        yield address


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve the page and yield its address and the process group of its server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "TWINSTREAM_RESULTS": str(folder / "results"),
        "TWINSTREAM_PROGRESS_DIR": str(folder / "progress"),
        "TWINSTREAM_DEAD_LETTER_DIR": str(folder / "dead-letters"),
    }
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/page.py", f"--server.port={port}"]
    with (folder / "dashboard.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=PACKAGE.parent,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/_stcore/health", process)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(120)


def _wait_for(address: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the dashboard has ended"
        with suppress(OSError), urllib.request.urlopen(address, timeout=2) as answer:
            assert answer.read() == b"ok"
            return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Run the machine's own Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", *flags]
        )
        try:
            yield browser
        finally:
            browser.close()


def note(failed: list[str], request: Request) -> None:
    """Record what could not be loaded."""
    failed.append(request.url)


def opened(browser: Browser, address: str, width: int = 1280, height: int = 800) -> Page:
    """Return the page, drawn to its last section.

    Reopen it if a request failed: Chromium drops what it is loading when the machine's network changes, as it
    does when a container starts beside this test.
    """
    deadline = time.monotonic() + 180
    while True:
        page = browser.new_page(viewport={"width": width, "height": height})
        failed: list[str] = []
        page.on("requestfailed", partial(note, failed))
        with suppress(TimeoutError):
            page.goto(address)
            page.get_by_role("heading", name="Dead letters").wait_for(timeout=45_000)
            page.wait_for_load_state("networkidle")
            if not failed:
                return page
        page.close()
        assert time.monotonic() < deadline, f"the page is not drawn; these requests failed: {failed}"
