"""The emulator killed and restarted: what was acknowledged on Kafka storage stays."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from pubsublite_emulator import Emulator
from pubsublite_emulator.exports import environment
from pubsublite_emulator.files import Files
from pubsublite_emulator.schema import message
from tests.pubsublite.raw import Channel
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import stored

MESSAGES = 50_000

PREPARE = """
from google.cloud.pubsublite import AdminClient
from google.cloud.pubsublite.types import BacklogLocation, CloudRegion, SubscriptionPath, TopicPath
from google.cloud.pubsublite_v1 import Subscription, Topic
topic = TopicPath.parse("projects/1/locations/us-central1-a/topics/" + sys.argv[1])
subscription = SubscriptionPath(topic.project, topic.location, sys.argv[1])
def prepare():
    admin = AdminClient(CloudRegion("us-central1"))
    admin.create_topic(Topic(name=str(topic), partition_config=Topic.PartitionConfig(count=2)))
    delivery = Subscription.DeliveryConfig(delivery_requirement=1)
    body = Subscription(name=str(subscription), topic=str(topic), delivery_config=delivery)
    admin.create_subscription(body, BacklogLocation.BEGINNING)
"""
PUBLISH = (
    "import json, sys\n"
    + PREPARE
    + """
from google.cloud.pubsublite.cloudpubsub import PublisherClient
prepare()
with PublisherClient() as publisher:
    futures = [publisher.publish(topic, b"%d" % number) for number in range(int(sys.argv[2]))]
    print(json.dumps([future.result(60) for future in futures]), flush=True)
"""
)
SUBSCRIBE = (
    "import os, sys\n"
    + PREPARE
    + """
from google.cloud.pubsublite.cloudpubsub import SubscriberClient
from google.cloud.pubsublite.types import FlowControlSettings
def show(message):
    os.write(1, message.message_id.encode() + b"\\n")  # whole lines, from several threads
    message.ack()
with SubscriberClient() as subscriber:
    subscriber.subscribe(subscription, show, FlowControlSettings(500, 10 << 20)).result()
"""
)


class Served:
    """`serve` on one port, over Kafka, to be killed and restarted."""

    def __init__(self, broker: KafkaBroker, directory: Path) -> None:
        self.directory = directory
        self.files = Files(directory)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "pubsublite_emulator", "serve", "--port", str(self.port)]
        self._command += ["--directory", str(directory), "--storage", f"kafka://{broker.bootstrap}"]
        self.start()

    def start(self) -> None:
        self._log = (self.directory / "log").open("a")
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline())["address"] == f"127.0.0.1:{self.port}"

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        self._process.send_signal(how)
        self._process.communicate(timeout=120)
        self._log.close()

    def resident(self) -> int:
        """Return the process's resident memory in bytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def client(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        added = environment(Files(self.directory), f"127.0.0.1:{self.port}", os.environ)
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **added},
        )


@pytest.fixture
def served(kafka_broker: KafkaBroker, tmp_path: Path) -> Iterator[Served]:
    served = Served(kafka_broker, tmp_path)
    try:
        yield served
    finally:
        served.kill(signal.SIGTERM)


def records(broker: KafkaBroker, topic: str) -> dict[str, bytes]:
    """Return every record of the two partitions by its Lite message id."""
    return {f"{record.partition},{record.offset}": record.value for record in stored(broker.bootstrap, topic)}


class Publisher:
    """A publisher at the wire: everything in flight at once, and sent again until it is acknowledged.

    Google's Python client 1.13 (grpcio 1.85) waits forever if its connection breaks during a write, whatever
    the server does then, so it cannot show this.
    """

    def __init__(self, served: Served, topic: str, partition: int, numbers: list[int]) -> None:
        self._served = served
        self._initial = {
            "topic": f"projects/1/locations/us-central1-a/topics/{topic}",
            "partition": partition,
        }
        self._waiting = [numbers[start : start + 500] for start in range(0, len(numbers), 500)]
        self.partition = partition
        self.acknowledged: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._waiting:
            try:
                with Channel(self._served) as channel:
                    self._attempt(channel)
            except grpc.RpcError:
                time.sleep(0.1)

    def _attempt(self, channel: Channel) -> None:
        stream = channel.stream("PublisherService", "Publish", "PublishResponse")
        stream.send(message("PublishRequest")(initial_request=self._initial)).receive()
        for numbers in self._waiting:
            messages = [{"data": b"%d" % number} for number in numbers]
            stream.send(message("PublishRequest")(message_publish_request={"messages": messages}))
        while self._waiting:
            answer = stream.receive().message_response
            for run in answer.cursor_ranges:
                for index in range(run.start_index, run.end_index):
                    offset = run.start_cursor.offset + index - run.start_index
                    self.acknowledged[self._waiting[0][index]] = offset
            self._waiting.pop(0)
        stream.close()

    def join(self) -> None:
        self._thread.join(120)
        assert not self._thread.is_alive()


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_under_a_publisher(
    served: Served, kafka_broker: KafkaBroker, eventually: Callable[..., None]
) -> None:
    first = served.client(PUBLISH, "killed-publish", "0")
    first.communicate(timeout=120)
    publishers = [
        Publisher(served, "killed-publish", partition, list(range(partition, MESSAGES, 2)))
        for partition in (0, 1)
    ]
    kills = []
    for part in (0.2, 0.5):
        eventually(lambda part=part: sum(len(one.acknowledged) for one in publishers) > part * MESSAGES)
        kills.append(sum(len(one.acknowledged) for one in publishers))
        served.kill()
        served.start()
    assert max(kills) < MESSAGES
    for publisher in publishers:
        publisher.join()
    stored = records(kafka_broker, "killed-publish")
    for publisher in publishers:
        for number, offset in publisher.acknowledged.items():
            assert int(stored[f"{publisher.partition},{offset}"]) == number
    assert {int(data) for data in stored.values()} == set(range(MESSAGES))
    # Without a client id the protocol allows duplicates, but only of what was in flight at a kill.
    assert len(stored) <= MESSAGES + sum(MESSAGES - kill for kill in kills)


@pytest.mark.slow
def test_a_subscriber_goes_on_after_a_kill(served: Served, eventually: Callable[..., None]) -> None:
    publisher = served.client(PUBLISH, "killed-subscribe", "5000")
    wanted = set(json.loads(publisher.communicate(timeout=100)[0]))
    subscriber = served.client(SUBSCRIBE, "killed-subscribe")
    seen: list[str] = []

    def follow() -> None:
        for line in subscriber.stdout or ():
            seen.append(line.strip())

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        eventually(lambda: len(seen) > 500)
        served.kill()
        served.start()
        eventually(lambda: set(seen) >= wanted, 120)
        assert set(seen) == wanted
    finally:
        subscriber.kill()
        reader.join()
        subscriber.communicate()


def test_a_restart_keeps_subscriptions_and_cursors(served: Served, eventually: Callable[..., None]) -> None:
    publisher = served.client(PUBLISH, "restarted", "20")
    ids = json.loads(publisher.communicate(timeout=100)[0])
    served.kill(signal.SIGTERM)
    served.start()
    subscriber = served.client(SUBSCRIBE, "restarted")
    assert subscriber.stdout is not None
    seen = [subscriber.stdout.readline().strip() for _ in range(20)]
    subscriber.kill()
    subscriber.communicate()
    assert sorted(seen) == sorted(ids)


@pytest.mark.slow
def test_memory_is_bounded_by_what_is_in_flight(served: Served) -> None:
    """Send 100 MB through Kafka to four subscribers that do not read; the process grows by far less."""
    served.client(PUBLISH, "bounded", "0").communicate(timeout=120)
    topic = "projects/1/locations/us-central1-a/topics/bounded"
    before = served.resident()
    with Channel(served) as channel:
        stream = channel.stream("PublisherService", "Publish", "PublishResponse")
        stream.send(message("PublishRequest")(initial_request={"topic": topic})).receive()
        batch = message("PublishRequest")(
            message_publish_request={"messages": [{"data": b"x" * 10_000}] * 100}
        )
        for _ in range(100):
            stream.send(batch).receive()
        subscription = topic.replace("topics", "subscriptions")
        for _ in range(4):  # each evicts the one before
            reading = channel.stream("SubscriberService", "Subscribe", "SubscribeResponse")
            reading.send(message("SubscribeRequest")(initial={"subscription": subscription})).receive()
            reading.send(
                message("SubscribeRequest")(flow_control={"allowed_messages": 1, "allowed_bytes": 1 << 20})
            )
            assert len(reading.receive().messages.messages) == 1
        assert served.resident() - before < 100 << 20
        stream.close()


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_stream_may_be_idle_for_more_than_two_minutes(lite: Emulator, make: Any) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    with Channel(lite) as channel:
        call = channel.grpc.stream_stream("/google.cloud.pubsublite.v1.SubscriberService/Subscribe")
        request = message("SubscribeRequest")
        requests = [
            request(initial={"subscription": str(subscription)}).SerializeToString(),
            request(flow_control={"allowed_messages": 1, "allowed_bytes": 1000}).SerializeToString(),
        ]
        done = threading.Event()

        def iterate() -> Iterator[bytes]:
            yield from requests
            done.wait()

        answers = call(iterate())
        response = message("SubscribeResponse")
        assert response.FromString(next(answers)).initial.cursor.offset == 0
        assert not done.wait(125)
        publish = channel.stream("PublisherService", "Publish", "PublishResponse")
        publish.send(message("PublishRequest")(initial_request={"topic": str(topic)})).receive()
        late = message("PublishRequest")(message_publish_request={"messages": [{"data": b"late"}]})
        publish.send(late).receive()
        assert response.FromString(next(answers)).messages.messages[0].message.data == b"late"
        answers.cancel()
        done.set()
        publish.close()
