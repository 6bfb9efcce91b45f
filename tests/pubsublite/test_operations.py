"""Long-running operations: a seek begins undone, can be cancelled, and can be forgotten."""

import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

import grpc
import pytest
from google.cloud.pubsublite.types import SubscriptionPath

from pubsublite_emulator import Emulator
from pubsublite_emulator.schema import message
from tests.pubsublite.raw import SECONDS, Channel, Stream

pytestmark = pytest.mark.parametrize("storage", ["memory"], indirect=True)

Named = message("google.longrunning.GetOperationRequest")
Operation = message("google.longrunning.Operation")
SubscribeRequest = message("SubscribeRequest")
TAIL = {"named_target": 1}


def seek(channel: Channel, subscription: SubscriptionPath, **target: Any) -> Any:
    request = message("SeekSubscriptionRequest")(name=str(subscription), **target)
    return channel.unary("AdminService", "SeekSubscription", request, "google.longrunning.Operation")


def call(channel: Channel, method: str, name: str) -> bytes:
    """Call a method of google.longrunning.Operations that takes a name."""
    ask = channel.grpc.unary_unary(f"/google.longrunning.Operations/{method}")
    raw: bytes = ask(Named(name=name).SerializeToString(), timeout=SECONDS)
    return raw


def found(channel: Channel, name: str) -> Any:
    return Operation.FromString(call(channel, "GetOperation", name))


def reading(channel: Channel, subscription: SubscriptionPath) -> Stream:
    """Return the stream of a subscriber at offset 0 that will not follow a seek."""
    stream = channel.stream("SubscriberService", "Subscribe", "SubscribeResponse")
    stream.send(SubscribeRequest(initial={"subscription": str(subscription)})).receive()
    return stream


def follow(channel: Channel, subscription: SubscriptionPath) -> int:
    """Connect as a subscriber that lost its stream to a seek, and return where it starts."""
    committed = {"named_target": 2}
    stream = channel.stream("SubscriberService", "Subscribe", "SubscribeResponse")
    initial = {"subscription": str(subscription), "initial_location": committed}
    offset = int(stream.send(SubscribeRequest(initial=initial)).receive().initial.cursor.offset)
    stream.close()
    return offset


def test_a_seek_begins_undone_and_its_names_are_the_callers(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic())
    other = SubscriptionPath(7, subscription.location, subscription.name)
    begun = seek(channel, other, **TAIL)
    assert not begun.done
    metadata = message("OperationMetadata")()
    assert begun.metadata.Unpack(metadata)
    assert (metadata.target, metadata.verb) == (str(other), "seek")
    assert begun.name.startswith("projects/7/locations/us-central1-a/operations/")
    done = found(channel, begun.name)
    assert (done.done, done.WhichOneof("result")) == (True, "response")


def test_a_cancelled_seek_moves_nothing(channel: Channel, make: Any) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    commit = message("CommitCursorRequest")(subscription=str(subscription), cursor={"offset": 0})
    stream = channel.stream("PublisherService", "Publish", "PublishResponse")
    stream.send(message("PublishRequest")(initial_request={"topic": str(topic)})).receive()
    one = {"messages": [{"data": b"1"}]}
    stream.send(message("PublishRequest")(message_publish_request=one)).receive()
    stream.close()
    channel.unary("CursorService", "CommitCursor", commit, "CommitCursorResponse")
    reader = reading(channel, subscription)
    begun = seek(channel, subscription, named_target=2)
    assert reader.refused() is grpc.StatusCode.ABORTED
    assert not found(channel, begun.name).done
    call(channel, "CancelOperation", begun.name)
    ended = found(channel, begun.name)
    assert (ended.done, ended.error.code) == (True, 1)
    assert ended.error.message == "cancelled by CancelOperation"
    assert follow(channel, subscription) == 0
    call(channel, "CancelOperation", begun.name)  # one that is done already stays as it is
    seek(channel, subscription, named_target=2)
    assert follow(channel, subscription) == 1


def test_a_deleted_operation_is_forgotten_but_not_cancelled(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic())
    reading(channel, subscription)
    name = seek(channel, subscription, **TAIL).name
    call(channel, "DeleteOperation", name)
    for method in ("GetOperation", "CancelOperation", "DeleteOperation"):
        with pytest.raises(grpc.RpcError) as refused:
            call(channel, method, name)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def rest(lite: Emulator, method: str, name: str) -> tuple[int, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://{lite.address}/v1/admin/{name}", method=method)
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_operations_by_rest(lite: Emulator, channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic())
    reading(channel, subscription)
    name = seek(channel, subscription, **TAIL).name
    assert rest(lite, "POST", f"{name}:cancel") == (200, {})
    status, shown = rest(lite, "GET", name)
    assert (status, shown["done"], shown["error"]["code"]) == (200, True, 1)
    assert rest(lite, "DELETE", name) == (200, {})
    assert rest(lite, "GET", name)[0] == 404
