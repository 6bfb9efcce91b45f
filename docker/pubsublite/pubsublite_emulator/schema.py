"""The wire messages, built from ``pubsublite.proto`` in a separate descriptor pool.

``google.cloud.pubsublite_v1`` is not imported because that loads every generated client (over a second). The
pool is separate because a second definition of the same names in protobuf's default pool would collide with
Google's client when the emulator runs in the same test process. ``tests/pubsublite/test_schema.py`` compares
every message here with Google's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)

LITE = "google.cloud.pubsublite.v1"
_KNOWN = (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2)
_SCALARS = {"int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}
_MESSAGE, _ENUM = 11, 14
_TOKEN = re.compile(r"[\w.]+|[{}<>,=;]")

# Message classes and messages of a private pool have no static type.
Message = Any


def _tokens(text: str) -> Iterator[str]:
    return iter(_TOKEN.findall(re.sub(r"//[^\n]*", "", text)))


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


class _Parser:
    """Reads the subset of proto3 that ``pubsublite.proto`` uses."""

    def __init__(self, text: str) -> None:
        self._next = _tokens(text).__next__
        self.files: dict[str, Any] = {}

    def parse(self) -> dict[str, Any]:
        package = ""
        while (word := self._next_or_end()) is not None:
            if word == "package":
                package = self._next()
                self._next()
            else:
                self._message(self._file(package).message_type.add())
        return self.files

    def _next_or_end(self) -> str | None:
        try:
            return self._next()
        except StopIteration:
            return None

    def _file(self, package: str) -> Any:
        if package not in self.files:
            self.files[package] = descriptor_pb2.FileDescriptorProto(
                name=f"pubsublite_emulator/{package}.proto", package=package, syntax="proto3"
            )
        return self.files[package]

    def _message(self, message: Any) -> None:
        message.name = self._next()
        self._next()
        while (word := self._next()) != "}":
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word == "oneof":
                self._oneof(message)
            else:
                self._field(message, word)

    def _enum(self, enum: Any) -> None:
        enum.name = self._next()
        self._next()
        while (name := self._next()) != "}":
            self._next()
            enum.value.add(name=name, number=int(self._next()))
            self._next()

    def _oneof(self, message: Any) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._next())
        self._next()
        while (word := self._next()) != "}":
            self._field(message, word).oneof_index = index

    def _field(self, message: Any, word: str) -> Any:
        field = message.field.add(label=3 if word in ("repeated", "map") else 1)
        kind = self._map_entry(message) if word == "map" else self._next() if word == "repeated" else word
        field.name = self._next()
        if word == "map":
            message.nested_type[-1].name = kind = _camel(field.name) + "Entry"
        self._next()
        field.number = int(self._next())
        self._next()
        self._type(field, kind)
        return field

    def _map_entry(self, message: Any) -> str:
        entry = message.nested_type.add()
        entry.options.map_entry = True
        self._next()
        for number, name in ((1, "key"), (2, "value")):
            field = entry.field.add(name=name, number=number, label=1)
            self._type(field, self._next())
            self._next()
        return ""

    @staticmethod
    def _type(field: Any, kind: str) -> None:
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:  # the pool resolves the name, from the innermost scope outwards
            field.type_name = kind if "." not in kind else f".{kind}"
            field.type = _ENUM if kind in ("State", "DeliveryRequirement", "NamedTarget") else _MESSAGE


def _load() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in _KNOWN:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    known = [module.DESCRIPTOR.name for module in _KNOWN]
    files = _Parser(Path(__file__).with_name("pubsublite.proto").read_text()).parse()
    for package in (LITE, "google.rpc", "google.longrunning"):
        file = files[package]
        file.dependency.extend(known)
        if package == "google.longrunning":
            file.dependency.append(files["google.rpc"].name)
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load()


def message(name: str) -> Message:
    """Return the message class ``name``, fully qualified unless it is in ``google.cloud.pubsublite.v1``."""
    full = name if name.startswith("google.") else f"{LITE}.{name}"
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(full))
