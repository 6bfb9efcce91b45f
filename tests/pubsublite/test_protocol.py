"""The wire protocol, call by call: flow control to the byte, codes, evictions, both offset forms, faults."""

import time
from typing import Any

import grpc
import pytest
from google.cloud.pubsublite.types import SubscriptionPath, TopicPath

from pubsublite_emulator import Emulator
from pubsublite_emulator.schema import message
from tests.pubsublite.raw import AssignRequest, Channel, Stream, joining

PublishRequest = message("PublishRequest")
SubscribeRequest = message("SubscribeRequest")
CommitRequest = message("StreamingCommitCursorRequest")
PubSubMessage = message("PubSubMessage")
ErrorInfo = message("google.rpc.ErrorInfo")
Code = grpc.StatusCode
NOW = int(time.time())


def publishing(channel: Channel, topic: TopicPath, client_id: bytes = b"") -> Stream:
    stream = channel.stream("PublisherService", "Publish", "PublishResponse")
    stream.send(PublishRequest(initial_request={"topic": str(topic), "client_id": client_id}))
    assert stream.receive().HasField("initial_response")
    return stream


def batch(*data: bytes, first: int = 0) -> Any:
    # With an event time: without one, Kafka storage adds one (12 bytes of flow control).
    now = {"seconds": NOW}
    messages = [PubSubMessage(data=one, event_time=now) for one in data]
    return PublishRequest(message_publish_request={"messages": messages, "first_sequence_number": first})


def subscribing(channel: Channel, subscription: SubscriptionPath, **initial: Any) -> Stream:
    stream = channel.stream("SubscriberService", "Subscribe", "SubscribeResponse")
    stream.send(SubscribeRequest(initial={"subscription": str(subscription), **initial}))
    return stream


def allow(messages: int, size: int) -> Any:
    return SubscribeRequest(flow_control={"allowed_messages": messages, "allowed_bytes": size})


def offsets(response: Any) -> list[int]:
    return [item.cursor.offset for item in response.messages.messages]


def test_publish_answers_in_both_forms(channel: Channel, make: Any) -> None:
    stream = publishing(channel, make.topic())
    answer = stream.send(batch(b"a", b"b")).receive().message_response
    assert answer.start_cursor.offset == 0
    assert [(run.start_cursor.offset, run.start_index, run.end_index) for run in answer.cursor_ranges] == [
        (0, 0, 2)
    ]
    answer = stream.send(batch(b"c")).receive().message_response
    assert answer.start_cursor.offset == 2
    stream.close()


def test_a_repeated_batch_is_stored_once(channel: Channel, make: Any) -> None:
    topic, client_id = make.topic(), b"0123456789abcdef"
    stream = publishing(channel, topic, client_id)
    assert stream.send(batch(b"a", b"b", b"c")).receive().message_response.start_cursor.offset == 0
    stream.close()
    stream = publishing(channel, topic, client_id)
    answer = stream.send(batch(b"b", b"c", b"d", first=1)).receive().message_response
    assert [(run.start_cursor.offset, run.start_index, run.end_index) for run in answer.cursor_ranges] == [
        (1, 0, 3)
    ]
    head = channel.unary(
        "TopicStatsService",
        "ComputeHeadCursor",
        message("ComputeHeadCursorRequest")(topic=str(topic)),
        "ComputeHeadCursorResponse",
    )
    assert head.head_cursor.offset == 4
    # The Python client sends again without a number: only a payload known under 0 is a repetition.
    assert stream.send(batch(b"x")).receive().message_response.start_cursor.offset == 4
    assert stream.send(batch(b"a")).receive().message_response.start_cursor.offset == 0
    stream.close()


def test_flow_control_is_exact(channel: Channel, make: Any) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    publisher = publishing(channel, topic)
    publisher.send(batch(*[b"x"] * 5, b"y" * 1000)).receive()
    stream = subscribing(channel, subscription)
    assert stream.receive().initial.cursor.offset == 0
    assert offsets(stream.send(allow(2, 10_000)).receive()) == [0, 1]  # no messages are left
    assert offsets(stream.send(allow(0, 0)).send(allow(1, 0)).receive()) == [2]
    # 10,000 - 3 * 256 bytes are left; a second stream starts with none of them
    again = subscribing(channel, subscription, initial_location={"cursor": {"offset": 3}})
    assert again.receive().initial.cursor.offset == 3
    assert offsets(again.send(allow(100, 512 + 1011)).receive()) == [3, 4]  # a byte short of message 5
    assert offsets(again.send(allow(0, 1)).receive()) == [5]
    publisher.send(batch(b"later", b"last")).receive()
    assert offsets(again.send(allow(0, 255)).send(allow(0, 1)).receive()) == [6]  # spent bytes are gone
    assert offsets(again.send(allow((1 << 63) - 1, (1 << 63) - 1)).receive()) == [7]
    assert again.send(allow(-1, 0)).refused() is Code.INVALID_ARGUMENT
    publisher.close()


def test_a_second_subscriber_evicts_the_first(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic())
    first = subscribing(channel, subscription)
    first.receive()
    second = subscribing(channel, subscription)
    second.receive()
    assert first.refused() is Code.ABORTED
    status, info = first.details(), ErrorInfo()
    assert status.code == Code.ABORTED.value[0]
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("DUPLICATE_SUBSCRIBER_CONNECTIONS", "pubsublite.googleapis.com")
    second.close()


def test_a_seek_on_the_stream_takes_the_tokens_back(channel: Channel, make: Any) -> None:
    topic = make.topic()
    publisher = publishing(channel, topic)
    publisher.send(batch(b"a", b"b")).receive()
    stream = subscribing(channel, make.subscription(topic))
    stream.receive()
    assert offsets(stream.send(allow(100, 10_000)).receive()) == [0, 1]
    for _ in range(2):  # the second seek's answer comes before another message, which no token allows
        answer = stream.send(SubscribeRequest(seek={"cursor": {"offset": 0}})).receive()
        assert (answer.WhichOneof("response"), answer.seek.cursor.offset) == ("seek", 0)
        assert offsets(stream.send(allow(1, 256)).receive()) == [0]
    assert offsets(stream.send(allow(1, 256)).receive()) == [1]
    beyond = stream.send(SubscribeRequest(seek={"cursor": {"offset": 3}}))
    assert beyond.refused() is Code.OUT_OF_RANGE
    publisher.close()


def test_where_a_stream_may_start(channel: Channel, make: Any) -> None:
    topic = make.topic()
    publisher = publishing(channel, topic)
    publisher.send(batch(b"a", b"b")).receive()
    subscription = make.subscription(topic)
    for location, start in (
        ({"cursor": {"offset": 2}}, 2),
        ({"named_target": 1}, 2),
        ({"named_target": 2}, 0),
    ):
        stream = subscribing(channel, subscription, initial_location=location)
        assert stream.receive().initial.cursor.offset == start
        stream.close()
    beyond = subscribing(channel, subscription, initial_location={"cursor": {"offset": 3}})
    assert beyond.refused() is Code.OUT_OF_RANGE
    below = subscribing(channel, subscription, initial_location={"cursor": {"offset": -1}})
    assert below.refused() is Code.INVALID_ARGUMENT
    publisher.close()


def test_commits_are_counted(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic())
    stream = channel.stream("CursorService", "StreamingCommitCursor", "StreamingCommitCursorResponse")
    stream.send(CommitRequest(initial={"subscription": str(subscription)}))
    assert stream.receive().HasField("initial")
    for offset in (5, 3):
        answer = stream.send(CommitRequest(commit={"cursor": {"offset": offset}})).receive()
        assert answer.commit.acknowledged_commits == 1
    request = message("ListPartitionCursorsRequest")(parent=str(subscription))
    listed = channel.unary("CursorService", "ListPartitionCursors", request, "ListPartitionCursorsResponse")
    assert [(one.partition, one.cursor.offset) for one in listed.partition_cursors] == [(0, 3)]
    stream.close()


def test_message_stats_and_times(channel: Channel, make: Any) -> None:
    topic = str(make.topic())
    publisher = publishing(channel, TopicPath.parse(topic))
    publisher.send(batch(b"a" * 300, b"b", b"c")).receive()
    publisher.close()
    request = message("ComputeMessageStatsRequest")(topic=topic, end_cursor={"offset": 2})
    stats = channel.unary("TopicStatsService", "ComputeMessageStats", request, "ComputeMessageStatsResponse")
    assert (stats.message_count, stats.message_bytes) == (2, 568)
    assert NOW <= stats.minimum_publish_time.ToSeconds() <= time.time()
    assert stats.minimum_event_time.ToSeconds() == NOW
    empty = message("ComputeMessageStatsRequest")(
        topic=topic, start_cursor={"offset": 3}, end_cursor={"offset": 99}
    )
    stats = channel.unary("TopicStatsService", "ComputeMessageStats", empty, "ComputeMessageStatsResponse")
    assert stats == message("ComputeMessageStatsResponse")()
    for seconds, expected in ((0, 0), (int(time.time()) + 3600, None)):
        request = message("ComputeTimeCursorRequest")(topic=topic)
        request.target.publish_time.FromSeconds(seconds)
        found = channel.unary("TopicStatsService", "ComputeTimeCursor", request, "ComputeTimeCursorResponse")
        assert (found.cursor.offset if found.HasField("cursor") else None) == expected


BAD_STREAMS = [
    ("PublisherService", "Publish", PublishRequest(), Code.INVALID_ARGUMENT),
    ("PublisherService", "Publish", batch(b"first"), Code.INVALID_ARGUMENT),
    ("PublisherService", "Publish", b"\xff\xff\xff", Code.INVALID_ARGUMENT),
    (
        "PublisherService",
        "Publish",
        PublishRequest(initial_request={"topic": "nonsense"}),
        Code.INVALID_ARGUMENT,
    ),
    (
        "PublisherService",
        "Publish",
        PublishRequest(initial_request={"topic": "projects/1/locations/us-central1-a/topics/missing"}),
        Code.NOT_FOUND,
    ),
    (
        "PublisherService",
        "Publish",
        PublishRequest(
            initial_request={
                "topic": "projects/1/locations/us-central1-a/topics/missing",
                "client_id": b"x" * 15,
            }
        ),
        Code.INVALID_ARGUMENT,
    ),
    ("SubscriberService", "Subscribe", allow(1, 1), Code.INVALID_ARGUMENT),
    ("SubscriberService", "Subscribe", b"\x0a\x05\x0a", Code.INVALID_ARGUMENT),
    (
        "SubscriberService",
        "Subscribe",
        SubscribeRequest(
            initial={"subscription": "projects/1/locations/us-central1-a/subscriptions/missing"}
        ),
        Code.NOT_FOUND,
    ),
    ("CursorService", "StreamingCommitCursor", CommitRequest(commit={}), Code.INVALID_ARGUMENT),
    ("PartitionAssignmentService", "AssignPartitions", AssignRequest(ack={}), Code.INVALID_ARGUMENT),
    ("PublisherService", "PublishTwice", b"", Code.UNIMPLEMENTED),
]


@pytest.mark.parametrize(("service", "method", "request_", "code"), BAD_STREAMS)
def test_bad_first_messages(
    channel: Channel, service: str, method: str, request_: Any, code: grpc.StatusCode
) -> None:
    stream = channel.stream(service, method, "PublishResponse").send(request_)
    assert stream.refused() is code


def test_bad_later_messages(channel: Channel, make: Any) -> None:
    topic = make.topic()
    initial = PublishRequest(initial_request={"topic": str(topic)})
    for bad in (initial, b"\x12\x02\x0a\x7f", PublishRequest()):
        assert publishing(channel, topic).send(bad).refused() is Code.INVALID_ARGUMENT
    partition = PublishRequest(initial_request={"topic": str(topic), "partition": 1})
    stream = channel.stream("PublisherService", "Publish", "PublishResponse").send(partition)
    assert stream.refused() is Code.INVALID_ARGUMENT
    large = batch(b"x" * ((10 << 20) + 1))
    assert publishing(channel, topic).send(large).refused() is Code.INVALID_ARGUMENT
    subscription = make.subscription(topic)
    reading = subscribing(channel, subscription)
    reading.receive()
    assert reading.send(SubscribeRequest(initial={})).refused() is Code.INVALID_ARGUMENT
    sharing = joining(channel, subscription, b"a" * 16)
    sharing.receive()
    assert sharing.send(AssignRequest(initial={})).refused() is Code.INVALID_ARGUMENT
    gone = publishing(channel, topic)
    make.admin.delete_topic(topic)
    assert gone.send(batch(b"late")).refused() is Code.NOT_FOUND


def test_a_deleted_subscription_ends_its_streams(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic())
    streams = [subscribing(channel, subscription), joining(channel, subscription, b"a" * 16)]
    for stream in streams:
        stream.receive()
    make.admin.delete_subscription(subscription)
    assert [stream.refused() for stream in streams] == [Code.NOT_FOUND] * 2


def refusal(channel: Channel, service: str, method: str, request: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary(service, method, request, "Topic")
    return caught.value.code()


def test_bad_unary_requests(channel: Channel, make: Any) -> None:
    topic = str(make.topic())
    place = "projects/1/locations/us-central1-a"
    topics = message("CreateTopicRequest")
    cases = [
        ("GetTopic", b"\xff", Code.INVALID_ARGUMENT),
        ("GetTopic", message("GetTopicRequest")(name="topics/x"), Code.INVALID_ARGUMENT),
        ("GetTopic", message("GetTopicRequest")(name=f"{place}/topics/missing"), Code.NOT_FOUND),
        ("CreateTopic", topics(parent="projects/1", topic_id="topic"), Code.INVALID_ARGUMENT),
        ("CreateTopic", topics(parent=place, topic_id="1x"), Code.INVALID_ARGUMENT),
        ("CreateTopic", topics(parent=place, topic_id="no-partitions"), Code.INVALID_ARGUMENT),
        (
            "CreateTopic",
            topics(
                parent=place,
                topic_id="small",
                topic={"partition_config": {"count": 1}, "retention_config": {"per_partition_bytes": 1}},
            ),
            Code.INVALID_ARGUMENT,
        ),
        ("UpdateTopic", message("UpdateTopicRequest")(topic={"name": topic}), Code.INVALID_ARGUMENT),
        (
            "UpdateTopic",
            message("UpdateTopicRequest")(topic={"name": topic}, update_mask={"paths": ["name"]}),
            Code.INVALID_ARGUMENT,
        ),
        (
            "CreateSubscription",
            message("CreateSubscriptionRequest")(
                parent=place, subscription_id="on-nothing", subscription={"topic": f"{place}/topics/missing"}
            ),
            Code.NOT_FOUND,
        ),
        (
            "CreateSubscription",
            message("CreateSubscriptionRequest")(
                parent=place,
                subscription_id="export",
                subscription={"topic": topic, "export_config": {"desired_state": 1}},
            ),
            Code.INVALID_ARGUMENT,
        ),
        ("ListTopics", message("ListTopicsRequest")(parent=place, page_size=-1), Code.INVALID_ARGUMENT),
    ]
    for method, request, code in cases:
        assert refusal(channel, "AdminService", method, request) is code, method
    bad = message("ComputeHeadCursorRequest")(topic=topic, partition=7)
    assert refusal(channel, "TopicStatsService", "ComputeHeadCursor", bad) is Code.INVALID_ARGUMENT
    bad = message("CommitCursorRequest")(subscription=f"{place}/subscriptions/missing")
    assert refusal(channel, "CursorService", "CommitCursor", bad) is Code.NOT_FOUND


def test_lists_come_in_pages(channel: Channel, make: Any) -> None:
    wanted = {str(make.topic()) for _ in range(3)}
    found: list[str] = []
    request = message("ListTopicsRequest")(parent="projects/123456/locations/us-central1-a", page_size=2)
    while True:
        answer = channel.unary("AdminService", "ListTopics", request, "ListTopicsResponse")
        assert len(answer.topics) <= 2
        found += [topic.name for topic in answer.topics]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert wanted <= set(found)
    assert len(found) == len(set(found))


def test_faults_come_in_order(channel: Channel, make: Any, lite: Emulator) -> None:
    request = message("GetTopicRequest")(name=str(make.topic()))
    ordered = lite.fail_next("GetTopic", "UNAVAILABLE", "PERMISSION_DENIED")
    assert ordered.fired() == 0
    assert refusal(channel, "AdminService", "GetTopic", request) is Code.UNAVAILABLE
    assert ordered.fired() == 1
    assert refusal(channel, "AdminService", "GetTopic", request) is Code.PERMISSION_DENIED
    assert ordered.fired() == 2
    assert channel.unary("AdminService", "GetTopic", request, "Topic").name == request.name
    topic = make.topic()
    lite.fail_next("Publish", "INTERNAL", at="response")
    stream = channel.stream("PublisherService", "Publish", "PublishResponse")
    stream.send(PublishRequest(initial_request={"topic": str(topic)}))
    assert stream.refused() is Code.INTERNAL


def test_a_large_message_and_a_slow_reader(channel: Channel, make: Any) -> None:
    topic = make.topic()
    publisher = publishing(channel, topic)
    large = b"x" * (3_670_016)  # 3.5 MiB, and three of them: 10 MiB that nobody reads for now
    for _ in range(3):
        publisher.send(batch(large)).receive()
    stream = subscribing(channel, make.subscription(topic))
    stream.receive()
    stream.send(allow(10, 1 << 40))
    publisher.send(batch(b"meanwhile")).receive()  # a slow reader holds nobody up
    found: list[int] = []
    sizes = []
    while len(found) < 4:
        response = stream.receive()
        found += offsets(response)
        sizes += [item.size_bytes for item in response.messages.messages]
    assert found == [0, 1, 2, 3]
    assert sizes == [len(large) + 12] * 3 + [256]
    stream.close()
    publisher.close()
