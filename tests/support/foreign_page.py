"""A page of somebody else's in a real Chromium, which sends requests to what listens on this machine.

A page of another site needs no permission to send `text/plain`; it only cannot read the answer. A page whose
own name was made to resolve to this machine (DNS rebinding) may even read it, for it asks its own origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from playwright.sync_api import Page

from tests.dashboard.served import chromium

REBOUND = "evil.example"
"""A name that this browser resolves to 127.0.0.1."""
PLACES = {
    "a page on another port of this machine": ("127.0.0.1:{page}", "127.0.0.1:{port}"),
    "a page of another site": (f"{REBOUND}:{{page}}", "127.0.0.1:{port}"),
    "a page whose name leads here": (f"{REBOUND}:{{page}}", f"{REBOUND}:{{port}}"),
    "a page whose name and port lead here": (f"{REBOUND}:{{port}}", f"{REBOUND}:{{port}}"),
}
"""Where a page comes from, and where it sends its request."""
_FETCH = """([method, url, body]) => fetch(url, {
    method: method, mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: body
}).then(() => null)"""


class ForeignPage:
    """An empty page, opened anew for each request."""

    def __init__(self, page: Page, port: int) -> None:
        self._page, self._port = page, port

    def send(self, place: str, method: str, port: int, path: str, body: str | None = None) -> int:
        """Send a request from one of PLACES to a port of this machine, and return the answer's status.

        The status is what the browser receives, not what it shows to the page.
        """
        opened, asked = (f"http://{one.format(page=self._port, port=port)}" for one in PLACES[place])
        self._page.goto(opened)
        with self._page.expect_response(f"{asked}{path}") as answered:
            self._page.evaluate(_FETCH, [method, f"{asked}{path}", body])
        return answered.value.status


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>Somebody else's</title>")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def foreign_page() -> Iterator[ForeignPage]:
    """Serve an empty page on a port of its own and run a browser for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    thread = Thread(target=partial(server.serve_forever, 0.05), daemon=True)
    thread.start()
    try:
        rules = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"
        with chromium(rules, "--no-proxy-server") as browser:
            yield ForeignPage(browser.new_page(), server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
