"""Lists in pages, and updates of the fields that a mask names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.json_format import ParseError

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.schema import Message

log = logging.getLogger("pubsublite_emulator")

T = TypeVar("T")


def page(items: Sequence[T], request: Message) -> tuple[Sequence[T], str]:
    """Return the items of one page and the token of the next (empty at the end); size 0 is everything."""
    try:
        start = int(request.page_token or 0)
    except ValueError:
        raise invalid(f"page_token {request.page_token!r}: expected a token from an earlier answer") from None
    if request.page_size < 0 or start < 0:
        raise invalid(f"page_size {request.page_size}: expected no negative number")
    end = start + request.page_size if request.page_size else len(items)
    return items[start:end], str(end) if end < len(items) else ""


def merge(target: Message, source: Message, mask: Message, allowed: Sequence[str]) -> None:
    """Copy the fields that ``mask`` names from ``source`` to ``target``.

    ``allowed`` lists the paths that may change, which includes any path below them. Raise INVALID_ARGUMENT
    for a field that may not, and for an empty mask, because the service requires one. A path that names no
    field changes nothing and is logged: Google's own sample has ``reservation_confing`` in its mask
    (python-pubsublite samples/snippets/update_lite_topic_example.py).
    """
    if not mask.paths:
        raise invalid("update_mask is empty: name the fields to update")
    for path in list(mask.paths):
        if not _names_field(target.DESCRIPTOR, path):
            log.warning("update_mask %r: %s has no such field; ignored", path, target.DESCRIPTOR.name)
            mask.paths.remove(path)
        elif not any(f"{path}.".startswith(f"{known}.") for known in allowed):
            raise invalid(f"update_mask {path!r}: expected a path within {', '.join(allowed)}")
    try:
        mask.MergeMessage(source, target, replace_message_field=True, replace_repeated_field=True)
    except (ParseError, ValueError) as error:
        raise invalid(f"update_mask: {error}") from None


def _names_field(kind: Any, path: str) -> bool:
    for name in path.split("."):
        field = kind.fields_by_name.get(name) if kind is not None else None
        if field is None:
            return False
        kind = field.message_type
    return True
