"""HTTP as Google's Java client speaks it: compressed bodies in chunks."""

from __future__ import annotations

import gzip
import io
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dataproc_emulator.web import Routes


def serve(routes: Routes) -> ThreadingHTTPServer:
    """Return a server that listens on a system-assigned port and answers only after `serve_forever`."""

    class _Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self) -> None:
            body = self._body()
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answer = routes.answer(self.command, self.path, dict(self.headers), io.BytesIO(body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    class _Server(ThreadingHTTPServer):
        daemon_threads = True

    return _Server(("127.0.0.1", 0), _Connection)
