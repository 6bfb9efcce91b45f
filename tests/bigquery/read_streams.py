"""The Storage Read API as the connector uses it: a table as of the creation of the session, in Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pyarrow
from google.cloud.bigquery_storage_v1 import types

from tests.bigquery.warehouse import Warehouse

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"


class ReadStreams:
    """The service for one warehouse; a gRPC server takes `handler`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._streams: dict[str, pyarrow.Table] = {}

    @property
    def handler(self) -> Any:
        """Return the service's methods."""
        create = grpc.unary_unary_rpc_method_handler(
            self._create, types.CreateReadSessionRequest.deserialize, types.ReadSession.serialize
        )
        read = grpc.unary_stream_rpc_method_handler(
            self._read, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"CreateReadSession": create, "ReadRows": read})

    def _create(self, request: types.CreateReadSessionRequest, context: Any) -> types.ReadSession:
        asked = request.read_session
        _, project, _, dataset, _, name = asked.table.split("/")
        table = self._warehouse.table(project, dataset, name)
        options = asked.read_options
        rows = self._warehouse.rows(table, options.selected_fields, options.row_restriction)
        session = f"{request.parent}/locations/us/sessions/s{len(self._streams)}"
        stream = f"{session}/streams/only"
        self._streams[stream] = rows
        return types.ReadSession(
            name=session,
            table=asked.table,
            data_format=types.DataFormat.ARROW,
            arrow_schema=types.ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes()),
            streams=[types.ReadStream(name=stream)],
        )

    def _read(self, request: types.ReadRowsRequest, context: Any) -> Iterator[types.ReadRowsResponse]:
        for batch in self._streams[request.read_stream].slice(request.offset).to_batches():
            sent = types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes())
            yield types.ReadRowsResponse(arrow_record_batch=sent, row_count=batch.num_rows)
