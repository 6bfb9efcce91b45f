"""A small stand-in for BigQuery that Google's unmodified connector and client talk to.

It knows only the calls that the sink makes; it has no permissions, no quotas and no concurrent statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Any, Self

import grpc

from pubsublite_emulator.files import Files
from tests.bigquery.faults import Faults
from tests.bigquery.http import serve
from tests.bigquery.read_streams import ReadStreams
from tests.bigquery.rest import Rest
from tests.bigquery.warehouse import PROJECT, Warehouse
from tests.bigquery.write_streams import WriteStreams

Row = tuple[Any, ...]


class BigQuery:
    """The project `shop` with the empty dataset `insights`.

    Its certificate is that of the tests' Pub/Sub Lite emulators, which the session's JVM trusts.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.warehouse, self.faults = Warehouse(["insights"]), Faults()

    def rows(self, name: str) -> list[Row]:
        """Return the rows of `DATASET.TABLE`, sorted."""
        rows = self.warehouse.rows(self.warehouse.table(PROJECT, *name.split("."))).to_pylist()
        return sorted(tuple(row.values()) for row in rows)

    @contextmanager
    def running(self) -> Iterator[tuple[Self, dict[str, str]]]:
        """Serve; yield this stand-in and the connector options that lead to it."""
        http = serve(Rest(self.warehouse, self.faults).routes)
        thread = Thread(target=http.serve_forever, name="bigquery", daemon=True)
        thread.start()
        streams = (WriteStreams(self.warehouse, self.faults).handler, ReadStreams(self.warehouse).handler)
        with ThreadPoolExecutor(16) as workers:
            storage: Any = grpc.server(workers, handlers=streams)
            key = [(self._files.key.read_bytes(), self._files.certificate.read_bytes())]
            port = storage.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(key))
            storage.start()
            try:
                yield (
                    self,
                    {
                        "parentProject": PROJECT,
                        "bigQueryHttpEndpoint": f"http://127.0.0.1:{http.server_address[1]}",
                        "bigQueryStorageGrpcEndpoint": f"127.0.0.1:{port}",
                    },
                )
            finally:
                storage.stop(None).wait()
                http.shutdown()
                http.server_close()
                thread.join()
        self.warehouse.close()
