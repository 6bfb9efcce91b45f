"""Lists in pages, and updates of the fields that a mask names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.json_format import ParseError

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.schema import Message

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
    for any other path, and for an empty mask, because the service requires one.
    """
    if not mask.paths:
        raise invalid("update_mask is empty: name the fields to update")
    for path in mask.paths:
        if not any(f"{path}.".startswith(f"{known}.") for known in allowed):
            raise invalid(f"update_mask {path!r}: expected a path within {', '.join(allowed)}")
    try:
        mask.MergeMessage(source, target, replace_message_field=True, replace_repeated_field=True)
    except (ParseError, ValueError) as error:
        raise invalid(f"update_mask: {error}") from None
