"""The REST interface that gcloud uses, following the HTTP templates in the service's proto files.

Each row names the unary RPC that answers; the gRPC service's own code runs, so both forms behave alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.rpc import Router, unsupported
from pubsublite_emulator.schema import POOL, Message
from pubsublite_emulator.web import Answer, Request

_PARENT = r"(?P<parent>projects/[^/]+/locations/[^/]+)"
_ITEM = r"(?P<name>projects/[^/]+/locations/[^/]+/%s/[^/:]+)"
_TOPIC, _SUBSCRIPTION, _RESERVATION = _ITEM % "topics", _ITEM % "subscriptions", _ITEM % "reservations"
_OPERATION = _ITEM % "operations"
_COMMITTED = _SUBSCRIPTION.replace("name", "subscription")
_MEASURED = _TOPIC.replace("name", "topic")


@dataclass(frozen=True, slots=True)
class Route:
    """``method`` and ``path`` lead to ``rpc``; ``body`` is the field that a JSON body fills (``*``: all)."""

    method: str
    path: str
    rpc: str
    body: str = ""


def _crud(kind: str, singular: str, title: str) -> list[Route]:
    item, many = _ITEM % kind, f"{_PARENT}/{kind}"
    updated = item.replace("?P<name>", f"?P<{singular}__name>")
    return [
        Route("POST", f"/v1/admin/{many}", f"Create{title}", singular),
        Route("GET", f"/v1/admin/{many}", f"List{title}s"),
        Route("GET", f"/v1/admin/{item}", f"Get{title}"),
        Route("PATCH", f"/v1/admin/{updated}", f"Update{title}", singular),
        Route("DELETE", f"/v1/admin/{item}", f"Delete{title}"),
    ]


ROUTES = [
    *_crud("topics", "topic", "Topic"),
    *_crud("subscriptions", "subscription", "Subscription"),
    *_crud("reservations", "reservation", "Reservation"),
    Route("GET", f"/v1/admin/{_TOPIC}/partitions", "GetTopicPartitions"),
    Route("GET", f"/v1/admin/{_TOPIC}/subscriptions", "ListTopicSubscriptions"),
    Route("GET", f"/v1/admin/{_RESERVATION}/topics", "ListReservationTopics"),
    Route("POST", f"/v1/admin/{_SUBSCRIPTION}:seek", "SeekSubscription", "*"),
    Route("GET", f"/v1/admin/{_OPERATION}", "GetOperation"),
    Route("POST", f"/v1/admin/{_OPERATION}:cancel", "CancelOperation", "*"),
    Route("DELETE", f"/v1/admin/{_OPERATION}", "DeleteOperation"),
    Route("GET", f"/v1/admin/{_PARENT.replace('parent', 'name')}/operations", "ListOperations"),
    Route("POST", f"/v1/cursor/{_COMMITTED}:commitCursor", "CommitCursor", "*"),
    Route("GET", f"/v1/cursor/{_SUBSCRIPTION.replace('name', 'parent')}/cursors", "ListPartitionCursors"),
    *(
        Route("POST", f"/v1/topicStats/{_MEASURED}:{rpc[0].lower()}{rpc[1:]}", rpc, "*")
        for rpc in ("ComputeMessageStats", "ComputeHeadCursor", "ComputeTimeCursor")
    ),
]
_COMPILED = [(route, re.compile(route.path)) for route in ROUTES]
_PROJECT = re.compile(r"/v1/projects/([^/]+)")
_UNDERSCORE = re.compile(r"_([a-z])")
# Parameters of every Google REST API, not of the request (cloud.google.com/apis/docs/system-parameters).
_SYSTEM = {
    "alt",
    "prettyPrint",
    "key",
    "fields",
    "quotaUser",
    "access_token",
    "$alt",
    "$.xgafv",
    "uploadType",
}


class Rest:
    """Answers REST requests with the router's unary methods."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def handle(self, request: Request) -> Answer:
        """Answer one request: a project look-up, a token, or a row of :data:`ROUTES`."""
        if (request.method, request.path) == ("POST", "/token"):
            return Answer(200, {"access_token": "local", "expires_in": 3599, "token_type": "Bearer"})
        if (request.method, request.path) == ("GET", "/"):
            return Answer(200, {"emulator": "pubsublite"})
        if request.method == "GET" and (project := _PROJECT.fullmatch(request.path)):
            return Answer(200, _project(project[1]))
        client = f"REST {request.headers.get('user-agent', 'unknown').split(' ')[0]}"
        route, match = _find(request, client)
        message = self._message(route, match, request)
        response = await self._router.answer(route.rpc, message, client)
        return Answer(200, json_format.MessageToDict(response, descriptor_pool=POOL))

    def _message(self, route: Route, match: Mapping[str, str], request: Request) -> Message:
        value: dict[str, Any] = {name: text for name, text in request.query.items() if name not in _SYSTEM}
        if route.body == "*":
            value |= request.json()
        elif route.body:
            value[route.body] = request.json()
        for name, text in match.items():
            outer, _, inner = name.partition("__")
            if inner:
                value.setdefault(outer, {})[inner] = text
            else:
                value[outer] = text
        for name in ("skipBacklog", "skip_backlog"):  # gcloud writes Python's True and False
            if name in value:
                value[name] = str(value[name]).lower() == "true"
        for name in ("updateMask", "update_mask"):  # JSON's form of a mask has no underscores
            if name in value:
                value[name] = _UNDERSCORE.sub(lambda match: match[1].upper(), str(value[name]))
        try:
            return json_format.ParseDict(value, self._router.unary[route.rpc].request(), descriptor_pool=POOL)
        except json_format.ParseError as error:
            raise invalid(f"{route.rpc}: {error}") from None


def _find(request: Request, client: str) -> tuple[Route, dict[str, str]]:
    for route, pattern in _COMPILED:
        if route.method == request.method and (match := pattern.fullmatch(request.path)):
            return route, match.groupdict()
    raise unsupported(client, f"{request.method} {request.path}")


def _project(name: str) -> dict[str, str]:
    """Return a project as Cloud Resource Manager shows it.

    An id gets the number 1, because all names mean the same project.
    """
    number = name if name.isdigit() else "1"
    return {"projectNumber": number, "projectId": name, "lifecycleState": "ACTIVE", "name": name}
