"""The whole emulator, assembled on one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc

from pubsublite_emulator.access import Access
from pubsublite_emulator.admin import Admin
from pubsublite_emulator.assignment import Assignment
from pubsublite_emulator.cursor import Cursor
from pubsublite_emulator.faults import Faults
from pubsublite_emulator.files import Files, announce, claimed, prepare
from pubsublite_emulator.front import Front
from pubsublite_emulator.http_server import HttpServer
from pubsublite_emulator.publisher import Publisher
from pubsublite_emulator.rest import Rest
from pubsublite_emulator.rpc import Router
from pubsublite_emulator.state import State
from pubsublite_emulator.storage import open_storage
from pubsublite_emulator.subscriber import Subscriber
from pubsublite_emulator.topic_stats import TopicStats
from pubsublite_emulator.web import Application

log = logging.getLogger("pubsublite_emulator")

# Java pings every minute, even without calls (java-pubsublite ServiceClients); the default answer is GOAWAY.
# A batch may hold a message of the maximum size together with others.
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]


class Server:
    """The emulator as coroutines: ``start``, then ``stop``.

    It has its directory to itself, unless that is ``shared`` by the emulators of one process. Export
    subscriptions deliver to the Pub/Sub emulator that the environment's PUBSUB_EMULATOR_HOST names.
    """

    def __init__(
        self,
        storage: str,
        directory: Path,
        faults: Faults,
        *,
        any_retention: bool = False,
        shared: bool = False,
    ) -> None:
        pubsub = os.environ.get("PUBSUB_EMULATOR_HOST", "")
        self._state = State(open_storage(storage), any_retention=any_retention, pubsub_host=pubsub)
        self._directory = directory
        self._shared = shared
        self._claim = ExitStack()
        self._access = Access()
        assignment = Assignment(self._state)
        services = [
            Admin(self._state, assignment).service,
            Publisher(self._state).service,
            Subscriber(self._state).service,
            assignment.service,
            Cursor(self._state).service,
            TopicStats(self._state).service,
            self._state.operations.service,
        ]
        self._router = Router(services, faults)
        self._http = HttpServer(Application(Rest(self._router).handle, self._access))
        self._grpc: Any = None
        self._front: Front | None = None
        self.address = ""

    async def start(self, host: str, port: int, advertised: str = "") -> Files:
        """Listen on ``host`` and ``port`` (0: any) and return the files that clients need.

        Clients are given ``advertised``, if set, instead of ``host``.
        """
        public = advertised or ("127.0.0.1" if host in ("0.0.0.0", "::") else host)  # noqa: S104
        if not self._shared:
            self._claim.enter_context(claimed(self._directory))
        files = await asyncio.to_thread(prepare, self._directory, public)
        await self._state.storage.start()
        await self._state.catalog.load()
        if not self._state.storage.durable:
            log.warning("storage memory: everything is forgotten when the emulator stops")
        self._front = Front(
            ("127.0.0.1", await self._start_grpc(files)),
            await self._http.listen(ssl_certfile=files.certificate, ssl_keyfile=files.key),
            await self._http.listen(),
        )
        await self._front.start(host, port)
        self._access.name, self._access.port = public.lower(), self._front.port
        self.address = f"{public}:{self._front.port}"
        await self._state.exporter.start()
        announce(files, self.ready())
        return files

    def ready(self) -> dict[str, str]:
        """Return what ``serve`` prints once clients can connect."""
        return {"address": self.address, "directory": str(self._directory.resolve())}

    async def _start_grpc(self, files: Files) -> int:
        pair = (files.key.read_bytes(), files.certificate.read_bytes())
        self._grpc = grpc.aio.server(options=_OPTIONS)
        self._grpc.add_generic_rpc_handlers((self._router,))
        port = self._grpc.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        await self._grpc.start()
        return int(port)

    async def stop(self) -> None:
        """End every stream with UNAVAILABLE, then close what was opened."""
        await self._router.stop()
        await self._state.exporter.stop()
        if self._grpc is not None:
            await self._grpc.stop(0.2)
        if self._front is not None:
            await self._front.stop()
        await self._http.stop()
        await self._state.storage.close()
        self._claim.close()
