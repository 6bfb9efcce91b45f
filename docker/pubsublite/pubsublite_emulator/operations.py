"""Long-running operations: only seeks here, which end once every partition's subscriber has followed."""

from __future__ import annotations

import re
import uuid
from collections import OrderedDict

from pubsublite_emulator.errors import Code, invalid, not_found
from pubsublite_emulator.paths import Path, in_project, parent
from pubsublite_emulator.rpc import Service, Unary
from pubsublite_emulator.schema import Message, message

_Operation = message("google.longrunning.Operation")
_OperationMetadata = message("OperationMetadata")
_Empty = message("google.protobuf.Empty")
_ListResponse = message("google.longrunning.ListOperationsResponse")
_REMEMBERED = 1_000
_NAME = re.compile(r"projects/([^/]+)/(locations/[^/]+/operations/[^/]+)")
# One condition; gcloud pubsub lite-operations list sends them joined by AND.
_CONDITION = re.compile(r"\s*(target|done)\s*=\s*(\S+)\s*")


class Operations:
    """The operations of this run; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._operations: OrderedDict[str, Message] = OrderedDict()
        self.service = Service(
            "Operations",
            {
                "GetOperation": Unary(message("google.longrunning.GetOperationRequest"), self.get),
                "ListOperations": Unary(message("google.longrunning.ListOperationsRequest"), self.list),
                "CancelOperation": Unary(message("google.longrunning.CancelOperationRequest"), self.cancel),
                "DeleteOperation": Unary(message("google.longrunning.DeleteOperationRequest"), self.delete),
            },
            {},
            package="google.longrunning",
        )

    def start(self, target: Path, verb: str) -> Message:
        """Return a new operation on ``target``, not done."""
        place = f"projects/{target.project}/locations/{target.location}"
        operation = _Operation(name=f"{place}/operations/{uuid.uuid4()}")
        metadata = _OperationMetadata(target=str(target), verb=verb)
        metadata.create_time.GetCurrentTime()
        operation.metadata.Pack(metadata)
        self._operations[_key(operation.name)] = operation
        while len(self._operations) > _REMEMBERED:
            self._operations.popitem(last=False)
        return operation

    def finish(self, operation: Message, response: Message) -> None:
        """End the operation as successful, with ``response``."""
        self._end(operation)
        operation.response.Pack(response)

    def fail(self, operation: Message, code: Code, reason: str) -> None:
        """End the operation with ``code`` and ``reason`` as its error, unless it is done already."""
        if operation.done:
            return
        self._end(operation)
        operation.error.code = code.number
        operation.error.message = reason

    @staticmethod
    def _end(operation: Message) -> None:
        metadata = _OperationMetadata()
        operation.metadata.Unpack(metadata)
        metadata.end_time.GetCurrentTime()
        operation.metadata.Pack(metadata)
        operation.done = True

    async def get(self, request: Message) -> Message:
        """Answer google.longrunning.Operations.GetOperation."""
        return shown(self._named(request), request.name.split("/")[1])

    async def cancel(self, request: Message) -> Message:
        """Answer google.longrunning.Operations.CancelOperation: what has not happened yet will not."""
        self.fail(self._named(request), Code.CANCELLED, "cancelled by CancelOperation")
        return _Empty()

    async def delete(self, request: Message) -> Message:
        """Answer google.longrunning.Operations.DeleteOperation: forget it, without cancelling it."""
        self._named(request)
        del self._operations[_key(request.name)]
        return _Empty()

    async def list(self, request: Message) -> Message:
        """Answer google.longrunning.Operations.ListOperations, with the filter that gcloud sends."""
        place = parent(request.name.removesuffix("/operations"))
        wanted = _conditions(request.filter)
        response = _ListResponse()
        for operation in self._operations.values():
            metadata = _OperationMetadata()
            operation.metadata.Unpack(metadata)
            if f"/locations/{place.location}/" not in operation.name:
                continue
            if "target" in wanted and in_project(wanted["target"], "-") != in_project(metadata.target, "-"):
                continue
            if "done" in wanted and wanted["done"].lower() != str(operation.done).lower():
                continue
            response.operations.append(shown(operation, place.project))
        return response

    def _named(self, request: Message) -> Message:
        operation = self._operations.get(_key(request.name))
        if operation is None:
            raise not_found(request.name)
        return operation


def _key(name: str) -> str:
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f"{name!r}: expected projects/PROJECT/locations/LOCATION/operations/ID")
    return match[2]


def shown(operation: Message, project: str) -> Message:
    """Return a copy of the operation as it is now, named as a caller that uses ``project`` writes names."""
    copy = _Operation.FromString(operation.SerializeToString())
    copy.name = in_project(copy.name, project)
    metadata = _OperationMetadata()
    copy.metadata.Unpack(metadata)
    metadata.target = in_project(metadata.target, project)
    copy.metadata.Pack(metadata)
    return copy


def _conditions(filter_text: str) -> dict[str, str]:
    conditions = {}
    for part in filter_text.split(" AND ") if filter_text.strip() else []:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise invalid(f"filter {filter_text!r}: expected target=NAME and done=true|false, joined by AND")
        conditions[match[1]] = match[2]
    return conditions
