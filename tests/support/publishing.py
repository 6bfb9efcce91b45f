"""Messages put on a broker by the source's own publisher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sources.base import Message, Publisher


class Publishes(Protocol):
    """A source's module, as far as publishing is concerned."""

    def publisher(self, options: Any) -> Publisher: ...


def publish_all(source: Publishes, options: Any, messages: Sequence[Message]) -> None:
    """Publish and wait; fail if a message is not accepted."""
    refused: list[Exception] = []
    publisher = source.publisher(options)
    publisher.publish(messages, lambda _, failure: refused.append(failure) if failure else None)
    publisher.close()
    assert refused == []
