"""The Pub/Sub emulator that export subscriptions deliver to, through Google's client."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import grpc

from pubsublite_emulator.errors import Code
from pubsublite_emulator.pubsub_messages import PubsubMessage

_SECONDS = 30.0


class PubsubRefused(Exception):
    """An answer of Pub/Sub: its ``code`` and its text."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class PubsubClient:
    """A publisher that asks once: who calls it knows what an error means, and when to try again.

    Create it on the event loop that uses it. Importing Google's client takes over a second.
    """

    def __init__(self, host: str) -> None:
        from google.pubsub_v1.services.publisher import PublisherAsyncClient
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

        options = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.aio.insecure_channel(host, options)  # a Pub/Sub emulator speaks no TLS
        self._client = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=self._channel))

    async def find(self, topic: str) -> None:
        """Raise PubsubRefused, with NOT_FOUND if there is none, unless the topic exists."""
        await _answer(self._client.get_topic(topic=topic, retry=None, timeout=_SECONDS))

    async def publish(self, topic: str, messages: Sequence[PubsubMessage]) -> None:
        """Publish messages of one ordering key; raise PubsubRefused if that fails."""
        sent: list[Any] = [
            {"data": one.data, "attributes": one.attributes, "ordering_key": one.ordering_key}
            for one in messages
        ]
        await _answer(self._client.publish(topic=topic, messages=sent, retry=None, timeout=_SECONDS))

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


async def _answer(call: Awaitable[Any]) -> None:
    from google.api_core.exceptions import GoogleAPICallError

    try:
        await call
    except GoogleAPICallError as error:
        status = error.grpc_status_code
        raise PubsubRefused(Code[status.name] if status else Code.UNKNOWN, error.message) from None
