"""The replay format: numbered files of JSON lines, one message per line, each as a broker stored it.

A file is `<replay-dir>/<stream name>/<NNNN>.jsonl`; the fields are the envelope's. Bytes are text if they are
UTF-8; otherwise the field's name ends in `_base64` (`attributes_base64` holds each attribute with such a
value). Other fields, such as a dead letter's `reason`, are ignored.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sources import instants
from sources.base import Record, SourceError

SUFFIX = ".jsonl"


def files(folder: Path) -> list[Path]:
    """Return the files of a stream's folder in name order; raise SourceError if there are none."""
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if not found:
        raise SourceError(
            f"{folder}: no {'*' + SUFFIX + ' file' if folder.is_dir() else 'such folder'}",
            expected=f"<replay-dir>/<stream>/NNNN{SUFFIX}",
            remedy=("another --replay-dir, or twinstream publish --source replay --replay-dir DIR"),
        )
    return found


def make_folder(folder: Path, directory: Path) -> None:
    """Create the folder, in or at `--replay-dir`, which is `directory`; raise SourceError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(
            f"--replay-dir {directory}: {error.strerror}",
            expected="a writable directory",
            remedy="another",
        ) from None


def parse(file: Path, content: bytes, stream: str) -> Iterator[Record]:
    """Yield the messages of a file; raise SourceError naming file and line if one is broken."""
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield decode(line, stream)
        except (ValueError, KeyError, TypeError) as broken:
            reason = f"{broken.args[0]!r} is missing" if isinstance(broken, KeyError) else broken
            raise SourceError(
                f"{file}, line {number}: {reason}",
                expected="one message as a JSON object",
                remedy="correct or remove the line",
            ) from None


def write(file: Path, records: Iterable[Record]) -> None:
    """Write a file of messages, which appears whole or not at all; a failure leaves nothing behind."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(b"".join(encode(record) for record in records))
        unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)


def following(folder: Path) -> Path:
    """Return the path of the next file in a stream's folder, which need not exist."""
    numbers = [int(file.stem) for file in folder.glob(f"*{SUFFIX}") if file.stem.isdecimal()]
    return folder / f"{max(numbers, default=0) + 1:04}{SUFFIX}"


def encode(record: Record) -> bytes:
    """Return a message as one line."""
    return line(fields(record))


def fields(record: Record) -> dict[str, Any]:
    """Return the fields of a message's line."""
    return {
        "stream": record.stream,
        "partition": record.partition,
        "offset": record.offset,
        **_text_or_base64("key", record.key),
        **_text_or_base64("value", record.value),
        **_attributes(record),
        "published_at": _rfc3339(record.published_at),
        "event_at": _rfc3339(record.event_at),
    }


def line(fields: dict[str, Any]) -> bytes:
    """Return the line with these fields."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes, stream: str) -> Record:
    """Return the message of one line; raise ValueError, KeyError or TypeError saying what is wrong."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise TypeError(f"{type(fields).__name__} is not an object")
    if fields["stream"] != stream:
        raise ValueError(f"stream is {fields['stream']!r} in the folder of {stream!r}")
    attributes = _lists(fields, "attributes", _encoded)
    for name, values in _lists(fields, "attributes_base64", _decoded).items():
        if name in attributes:
            raise ValueError(f"attribute {name!r} is both text and base64")
        attributes[name] = values
    return Record(
        stream=stream,
        key=_bytes(fields, "key"),
        value=_bytes(fields, "value"),
        event_at=_time(fields, "event_at"),
        attributes=attributes,
        partition=_whole(fields, "partition"),
        offset=_whole(fields, "offset"),
        published_at=_time(fields, "published_at"),
    )


def _text_or_base64(name: str, value: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if value is None else value.decode()}
    except UnicodeDecodeError:
        assert value is not None  # noqa: S101 - None has returned above
        return {f"{name}_base64": base64.b64encode(value).decode()}


def _attributes(record: Record) -> dict[str, dict[str, list[str | None]]]:
    text: dict[str, list[str | None]] = {}
    other: dict[str, list[str | None]] = {}
    for name, values in record.attributes.items():
        if not values:
            continue
        try:
            text[name] = [None if value is None else value.decode() for value in values]
        except UnicodeDecodeError:
            other[name] = [None if value is None else base64.b64encode(value).decode() for value in values]
    return {"attributes": text, "attributes_base64": other} if other else {"attributes": text}


def _bytes(fields: dict[str, Any], name: str) -> bytes | None:
    text, other = fields.get(name), fields.get(f"{name}_base64")
    if text is not None and other is not None:
        raise ValueError(f"both {name} and {name}_base64 are given")
    if other is not None:
        return _decoded(other)
    return None if text is None else _encoded(text)


def _lists(
    fields: dict[str, Any], name: str, convert: Callable[[object], bytes]
) -> dict[str, list[bytes | None]]:
    lists = fields.get(name)
    if lists is None:
        return {}
    if not isinstance(lists, dict):
        raise TypeError(f"{name} {lists!r} is not an object")
    for attribute, values in lists.items():
        if not isinstance(values, list):
            raise TypeError(f"attribute {attribute!r} is {values!r}, not a list")
    return {
        attribute: [None if value is None else convert(value) for value in values]
        for attribute, values in lists.items()
    }


def _encoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not a string")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is not text that UTF-8 can hold") from None


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not a string")
    try:
        # Spark 3.5 breaks base64 into lines of 76 characters.
        return base64.b64decode(text.replace("\r\n", ""), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text!r} is not base64") from error


def _whole(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} {value!r} is not a whole number >= 0")
    return value


def _time(fields: dict[str, Any], name: str) -> datetime | None:
    text = fields.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"{name} {text!r} is not a time with a zone")
    try:
        return instants.parse(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _rfc3339(time: datetime | None) -> str | None:
    return None if time is None else instants.text(time)
