"""The emulator's messages are Google's, field by field."""

from typing import Any

from google.cloud import pubsublite_v1
from google.longrunning import operations_pb2
from google.rpc import error_details_pb2, status_pb2

from pubsublite_emulator.schema import LITE, POOL


def shape(descriptor: Any) -> Any:
    fields = {
        field.name: (
            field.number,
            field.type,
            field.is_repeated,
            field.message_type and field.message_type.full_name,
            field.enum_type and [(value.name, value.number) for value in field.enum_type.values],
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in descriptor.fields
    }
    return fields, {nested.name: shape(nested) for nested in descriptor.nested_types}


def test_every_pubsublite_message_is_googles() -> None:
    google = [kind.pb().DESCRIPTOR for kind in map(_class, dir(pubsublite_v1)) if kind is not None]
    assert len(google) > 60
    for descriptor in google:
        assert shape(POOL.FindMessageTypeByName(descriptor.full_name)) == shape(descriptor)
    file = POOL.FindMessageTypeByName(f"{LITE}.Topic").file
    assert set(file.message_types_by_name) == {one.name for one in google if one.containing_type is None}


def _class(name: str) -> Any:
    found = getattr(pubsublite_v1, name)
    return found if hasattr(found, "pb") and hasattr(found, "meta") else None


def test_the_borrowed_messages_are_googles() -> None:
    for kind in (
        operations_pb2.Operation,
        operations_pb2.GetOperationRequest,
        operations_pb2.ListOperationsRequest,
        status_pb2.Status,
        error_details_pb2.ErrorInfo,
    ):
        own = POOL.FindMessageTypeByName(kind.DESCRIPTOR.full_name)
        for field in own.fields:
            theirs = kind.DESCRIPTOR.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated) == (
                theirs.number,
                theirs.type,
                theirs.is_repeated,
            )
