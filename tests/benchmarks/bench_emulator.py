"""Messages for each CPU-second of the server: this emulator beside Google's own Pub/Sub emulator.

``python -m tests.benchmarks.bench_emulator`` publishes and reads messages of 200 bytes with several client
processes, which send the same batches of bytes to both, and prints one line a measurement. CPU time is the
server process's own (user and system). What is read was published before; reading ends when all is read or
the time is over. The Lite emulator is reached as its clients reach it, by its one port and TLS; Google's
speaks plain text, and is read by Pull, which costs it less than StreamingPull. Takes less than a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import grpc
from google.pubsub_v1 import types as pubsub

from pubsublite_emulator.files import Files
from pubsublite_emulator.schema import LITE, message

SIZE = 200
SECONDS = 2.0
CLIENTS = 3
IN_FLIGHT = 4
BACKLOG = 10_000  # messages per reading client
PLACE = "projects/1/locations/us-central1-a"
LARGEST = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

PublishRequest, SubscribeRequest = message("PublishRequest"), message("SubscribeRequest")
SubscribeResponse, CommitRequest = message("SubscribeResponse"), message("StreamingCommitCursorRequest")


def lite_channel(address: str, ca: str) -> grpc.Channel:
    """Return a channel to the Lite emulator."""
    options = [*LARGEST, ("grpc.enable_http_proxy", 0)]
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options)


class Progress:
    """A client's progress, and when it must stop."""

    def __init__(self, seconds: float, most: int) -> None:
        self.count = 0
        self._until = time.monotonic() + seconds
        self._most = most

    def wanted(self) -> bool:
        """Return whether to go on."""
        return self.count < self._most and time.monotonic() < self._until

    def bound(self, call: Any) -> Any:
        """Return ``call``, cancelled when the time is over, for a caller that waits at that moment."""
        timer = threading.Timer(self._until - time.monotonic(), call.cancel)
        timer.daemon = True
        timer.start()
        return call


class Requests:
    """The requests of a stream, sent as they are put."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.put = self._queue.put

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self._queue.get()


def lite_publish(channel: grpc.Channel, number: int, batch: int, progress: Progress) -> None:
    """Publish to partition ``number`` with a few batches in flight, counting what is acknowledged."""
    requests = Requests()
    initial = {"topic": f"{PLACE}/topics/bench-{batch}", "partition": number}
    answers = channel.stream_stream(f"/{LITE}.PublisherService/Publish")(iter(requests))
    requests.put(PublishRequest(initial_request=initial).SerializeToString())
    next(answers)
    messages = [{"data": os.urandom(SIZE)} for _ in range(batch)]
    raw = PublishRequest(message_publish_request={"messages": messages}).SerializeToString()
    for _ in range(IN_FLIGHT):
        requests.put(raw)
    while progress.wanted():
        next(answers)
        progress.count += batch
        requests.put(raw)
    answers.cancel()


def lite_subscribe(channel: grpc.Channel, number: int, batch: int, progress: Progress) -> None:
    """Read partition ``number`` with 10 MB of flow control, committing as clients do."""
    subscription = {"subscription": f"{PLACE}/subscriptions/bench-{batch}", "partition": number}
    requests, commits, committed = Requests(), Requests(), 0.0
    answers = progress.bound(channel.stream_stream(f"/{LITE}.SubscriberService/Subscribe")(iter(requests)))
    acknowledged = channel.stream_stream(f"/{LITE}.CursorService/StreamingCommitCursor")(iter(commits))
    threading.Thread(target=_drain, args=(acknowledged,), daemon=True).start()
    commits.put(CommitRequest(initial=subscription).SerializeToString())
    requests.put(SubscribeRequest(initial=subscription).SerializeToString())
    requests.put(_allow(1 << 40, 10_000_000))
    while progress.wanted():
        messages = SubscribeResponse.FromString(next(answers)).messages.messages
        if messages:
            progress.count += len(messages)
            requests.put(_allow(0, sum(one.size_bytes for one in messages)))
            if time.monotonic() - committed > 0.1:
                committed = time.monotonic()
                cursor = {"offset": messages[-1].cursor.offset + 1}
                commits.put(CommitRequest(commit={"cursor": cursor}).SerializeToString())
    answers.cancel()
    acknowledged.cancel()


def _allow(messages: int, size: int) -> bytes:
    flow = {"allowed_messages": messages, "allowed_bytes": size}
    return bytes(SubscribeRequest(flow_control=flow).SerializeToString())


def _drain(answers: Any) -> None:
    try:
        for _ in answers:
            pass
    except grpc.RpcError:
        pass


def google_publish(channel: grpc.Channel, _number: int, batch: int, progress: Progress) -> None:
    """Publish with a few calls in flight, counting what is acknowledged."""
    method = channel.unary_unary("/google.pubsub.v1.Publisher/Publish")
    messages = [pubsub.PubsubMessage(data=os.urandom(SIZE)) for _ in range(batch)]
    request = pubsub.PublishRequest(topic=f"projects/1/topics/bench-{batch}", messages=messages)
    raw = pubsub.PublishRequest.serialize(request)
    waiting = [method.future(raw) for _ in range(IN_FLIGHT)]
    while progress.wanted():
        waiting.pop(0).result(20)
        progress.count += batch
        waiting.append(method.future(raw))


def google_subscribe(channel: grpc.Channel, _number: int, batch: int, progress: Progress) -> None:
    """Read by Pull, acknowledging what arrives."""
    pull = channel.unary_unary("/google.pubsub.v1.Subscriber/Pull")
    acknowledge = channel.unary_unary("/google.pubsub.v1.Subscriber/Acknowledge")
    name = f"projects/1/subscriptions/bench-{batch}"
    raw = pubsub.PullRequest.serialize(pubsub.PullRequest(subscription=name, max_messages=1000))
    response, request = pubsub.PullResponse.pb(), pubsub.AcknowledgeRequest.pb()
    while progress.wanted():
        received = response.FromString(progress.bound(pull.future(raw)).result()).received_messages
        progress.count += len(received)
        ids = [one.ack_id for one in received]
        if ids:
            acknowledge(request(subscription=name, ack_ids=ids).SerializeToString(), timeout=20)


LOADS: dict[str, Callable[[grpc.Channel, int, int, Progress], None]] = {
    "lite-publish": lite_publish,
    "lite-subscribe": lite_subscribe,
    "google-publish": google_publish,
    "google-subscribe": google_subscribe,
}


def client(address: str, ca: str, number: int) -> None:
    """Run one client process: each input line is a load as JSON, each output line is its count."""
    options = [*LARGEST, ("grpc.enable_http_proxy", 0)]
    channel = lite_channel(address, ca) if ca else grpc.insecure_channel(address, options)
    for line in sys.stdin:
        load = json.loads(line)
        progress = Progress(load["seconds"], load["most"])
        with suppress(grpc.RpcError, grpc.FutureCancelledError):
            LOADS[load["name"]](channel, number, load["batch"], progress)
        print(progress.count, flush=True)


def cpu_seconds(pid: int) -> float:
    """Return a process's user and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A running server under test and the client processes that load it."""

    def __init__(self, pid: int, address: str, ca: str = "") -> None:
        self.pid = pid
        command = [sys.executable, "-m", "tests.benchmarks.bench_emulator", "--client", address, ca]
        self.clients = [
            subprocess.Popen([*command, str(number)], stdin=PIPE, stdout=PIPE, text=True)
            for number in range(CLIENTS)
        ]

    def load(self, name: str, batch: int, seconds: float, most: int = 1 << 40) -> tuple[int, float]:
        """Return the messages and the CPU-seconds they cost; each client stops after ``most`` messages."""
        load = {"name": name, "batch": batch, "seconds": seconds, "most": most}
        before = cpu_seconds(self.pid)
        for one in self.clients:
            print(json.dumps(load), file=one.stdin, flush=True)
        count = sum(int(one.stdout.readline()) for one in self.clients if one.stdout is not None)
        return count, cpu_seconds(self.pid) - before

    def close(self) -> None:
        """End the clients."""
        for one in self.clients:
            one.kill()
            one.communicate()


@contextmanager
def lite_server(batches: list[int]) -> Iterator[Server]:
    """Run this emulator with memory storage and a topic for each batch size."""
    directory = tempfile.mkdtemp()
    command = [sys.executable, "-m", "pubsublite_emulator", "serve", "--directory", directory]
    process = subprocess.Popen([*command, "--log-level", "ERROR"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        ca = str(Files(Path(directory)).ca)
        with lite_channel(address, ca) as channel:
            for batch in batches:
                _make_lite(channel, f"bench-{batch}")
        with closing(Server(process.pid, address, ca)) as server:
            yield server
    finally:
        process.terminate()
        process.communicate()
        shutil.rmtree(directory)


def _make_lite(channel: grpc.Channel, name: str) -> None:
    admin = f"/{LITE}.AdminService"
    topic = message("CreateTopicRequest")(
        parent=PLACE, topic_id=name, topic={"partition_config": {"count": CLIENTS}}
    )
    channel.unary_unary(f"{admin}/CreateTopic")(topic.SerializeToString(), timeout=20)
    body = {"topic": f"{PLACE}/topics/{name}"}
    subscription = message("CreateSubscriptionRequest")(parent=PLACE, subscription_id=name, subscription=body)
    channel.unary_unary(f"{admin}/CreateSubscription")(subscription.SerializeToString(), timeout=20)


@contextmanager
def google_server(batches: list[int]) -> Iterator[Server]:
    """Run Google's Pub/Sub emulator from the gcloud SDK with a topic for each batch size."""
    gcloud = shutil.which("gcloud")
    found = sorted(Path(gcloud).resolve().parents[1].glob("**/pubsub-emulator/lib/*.jar")) if gcloud else []
    if not found:
        raise SystemExit("Google's Pub/Sub emulator is not here: gcloud components install pubsub-emulator")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["java", "-jar", str(found[0]), "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{port}"
        with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
            grpc.channel_ready_future(channel).result(30)
            for batch in batches:
                _make_google(channel, f"bench-{batch}")
        with closing(Server(process.pid, address)) as server:
            yield server
    finally:
        process.kill()
        process.wait()


def _make_google(channel: grpc.Channel, name: str) -> None:
    topic = pubsub.Topic(name=f"projects/1/topics/{name}")
    channel.unary_unary("/google.pubsub.v1.Publisher/CreateTopic")(pubsub.Topic.serialize(topic), timeout=20)
    subscription = pubsub.Subscription(name=f"projects/1/subscriptions/{name}", topic=topic.name)
    raw = pubsub.Subscription.serialize(subscription)
    channel.unary_unary("/google.pubsub.v1.Subscriber/CreateSubscription")(raw, timeout=20)


def main() -> None:
    """Measure both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 1000], help="messages in a batch")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each measurement")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        address, ca, number = options.client
        client(address, ca, int(number))
        return
    rates: dict[tuple[str, str, int], float] = {}
    for name, serve in (("google", google_server), ("lite", lite_server)):
        with serve(options.batches) as server:
            for batch in options.batches:
                for direction, (count, cpu) in measure(server, name, batch, options.seconds).items():
                    rates[name, direction, batch] = count / cpu
                    print(
                        f"{name:6} {direction:9} batches of {batch:4}: {count:7} messages, {cpu:5.2f} CPU-s, "
                        f"{count / cpu:9.0f} messages per CPU-s",
                        flush=True,
                    )
    for (name, direction, batch), rate in rates.items():
        if name == "lite":
            ratio = rate / rates["google", direction, batch]
            print(f"lite / google, {direction}, batches of {batch}: {ratio:.1f}")


def measure(server: Server, name: str, batch: int, seconds: float) -> dict[str, tuple[int, float]]:
    """Measure publishing, then reading a backlog of known size, after a little of both as a warm-up."""
    for most in (BACKLOG // 2, BACKLOG):
        server.load(f"{name}-publish", batch, seconds, most)
        read = server.load(f"{name}-subscribe", batch, seconds, most)
    return {"subscribe": read, "publish": server.load(f"{name}-publish", batch, seconds)}


if __name__ == "__main__":
    main()
