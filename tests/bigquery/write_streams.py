"""The Storage Write API as the connector uses it: pending streams, whose rows count once committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from dataproc_emulator.errors import ApiError
from tests.bigquery.faults import Faults
from tests.bigquery.warehouse import Table, Warehouse

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
READ_AS: dict[str, Callable[[Any], Any]] = {
    "TIMESTAMP": lambda micros: EPOCH + timedelta(microseconds=micros),
    "NUMERIC": Decimal,
}
Row = tuple[Any, ...]


@dataclass
class _Stream:
    """Rows on their way to a table."""

    table: Table
    rows: list[Row] = field(default_factory=list)
    final: bool = False


class WriteStreams:
    """The service for one warehouse; a gRPC server takes `handler`."""

    def __init__(self, warehouse: Warehouse, faults: Faults) -> None:
        self._warehouse, self._faults = warehouse, faults
        self._streams: dict[str, _Stream] = {}
        self._lock = Lock()

    @property
    def handler(self) -> Any:
        """Return the service's methods."""
        unary: dict[str, tuple[Any, Any, Any]] = {
            "CreateWriteStream": (self._create, types.CreateWriteStreamRequest, types.WriteStream),
            "GetWriteStream": (self._get, types.GetWriteStreamRequest, types.WriteStream),
            "FinalizeWriteStream": (
                self._finalize, types.FinalizeWriteStreamRequest, types.FinalizeWriteStreamResponse,
            ),
            "BatchCommitWriteStreams": (
                self._commit, types.BatchCommitWriteStreamsRequest, types.BatchCommitWriteStreamsResponse,
            ),
        }  # fmt: skip
        methods = {
            name: grpc.unary_unary_rpc_method_handler(method, asked.deserialize, answer.serialize)
            for name, (method, asked, answer) in unary.items()
        }
        methods["AppendRows"] = grpc.stream_stream_rpc_method_handler(
            self._append, types.AppendRowsRequest.deserialize, types.AppendRowsResponse.serialize
        )
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _create(self, request: types.CreateWriteStreamRequest, context: Any) -> types.WriteStream:
        _, project, _, dataset, _, table = request.parent.split("/")
        stream = _Stream(self._warehouse.table(project, dataset, table))
        with self._lock:
            name = f"{request.parent}/streams/s{len(self._streams)}"
            self._streams[name] = stream
        return types.WriteStream(name=name, type_=request.write_stream.type_)

    def _get(self, request: types.GetWriteStreamRequest, context: Any) -> types.WriteStream:
        return types.WriteStream(name=request.name, type_=types.WriteStream.Type.PENDING, location="US")

    def _append(
        self, requests: Iterator[types.AppendRowsRequest], context: Any
    ) -> Iterator[types.AppendRowsResponse]:
        kind: Any = None
        for request in requests:
            if request.write_stream:
                stream = self._streams[request.write_stream]
            sent = request.proto_rows
            if sent.writer_schema.proto_descriptor.field:
                kind = _message(types.ProtoSchema.pb(sent.writer_schema).proto_descriptor)
            if request.offset != len(stream.rows) or stream.final:
                context.abort(grpc.StatusCode.OUT_OF_RANGE, f"expected offset {len(stream.rows)}")
            stream.rows += [_row(stream.table, kind.FromString(one)) for one in sent.rows.serialized_rows]
            result = types.AppendRowsResponse.AppendResult(offset=request.offset)
            yield types.AppendRowsResponse(append_result=result)

    def _finalize(
        self, request: types.FinalizeWriteStreamRequest, context: Any
    ) -> types.FinalizeWriteStreamResponse:
        stream = self._streams[request.name]
        stream.final = True
        return types.FinalizeWriteStreamResponse(row_count=len(stream.rows))

    def _commit(
        self, request: types.BatchCommitWriteStreamsRequest, context: Any
    ) -> types.BatchCommitWriteStreamsResponse:
        try:
            self._faults.check("write")
        except ApiError as error:
            context.abort(grpc.StatusCode[error.status], str(error))
        streams = [self._streams[name] for name in request.write_streams]
        if not all(stream.final for stream in streams):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "a stream is not final")
        for stream in streams:
            self._warehouse.insert(stream.table, stream.rows)
        return types.BatchCommitWriteStreamsResponse(commit_time=datetime.now(UTC))


def _message(descriptor: Any) -> Any:
    """Return the class of a message that a client has described."""
    file = descriptor_pb2.FileDescriptorProto(name="rows.proto", message_type=[descriptor])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(descriptor.name))


def _row(table: Table, message: Any) -> Row:
    """Return the values in the order of the table's columns; a value that is not set is null."""
    return tuple(
        READ_AS.get(kind, lambda value: value)(getattr(message, name)) if message.HasField(name) else None
        for name, kind in table.columns.items()
    )
