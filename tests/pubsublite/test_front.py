"""The single port: what is accepted, what is passed on, and that nonsense cannot break it."""

import json
import random
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from pubsublite_emulator import Emulator, front
from pubsublite_emulator.schema import message
from tests.pubsublite.raw import Channel

pytestmark = pytest.mark.parametrize("storage", ["memory"], indirect=True)


def connect(lite: Emulator) -> socket.socket:
    host, port = lite.address.split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def exchange(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    answer = b""
    while not answer.endswith(b"}") and (more := connection.recv(65536)):
        answer += more
    return answer


def alive(lite: Emulator) -> bool:
    with Channel(lite) as channel:
        request = message("ListTopicsRequest")(parent="projects/1/locations/us-central1-a")
        channel.unary("AdminService", "ListTopics", request, "ListTopicsResponse")
    return True


@contextmanager
def echo_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_tls_and_rest_through_the_proxy(lite: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(lite.files.ca))
    name = "us-central1-pubsublite.googleapis.com"
    with connect(lite) as tunnel:
        tunnel.sendall(b"CONNECT %s:443 HTTP/1.1\r\nHost: x\r\n\r\n" % name.encode())
        assert tunnel.recv(65536).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(tunnel, server_hostname=name) as inner:
            path = "/v1/admin/projects/1/locations/us-central1-a/topics/none?alt=json"
            answer = exchange(inner, f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    error = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")


def test_a_foreign_authority_is_not_trusted(lite: Emulator) -> None:
    context = ssl.create_default_context()
    with connect(lite) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="us-central1-pubsublite.googleapis.com")


def test_the_token_endpoint(lite: Emulator) -> None:
    uri = json.loads(lite.files.credentials.read_text())["token_uri"]
    assert uri == f"http://{lite.address}/token"
    body = b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(uri, data=body, timeout=10) as answer:
        assert json.load(answer) == {"access_token": "local", "expires_in": 3599, "token_type": "Bearer"}


def test_other_hosts_are_passed_on(lite: Emulator) -> None:
    with echo_server() as port, connect(lite) as tunnel:
        tunnel.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port)
        assert tunnel.recv(65536).startswith(b"HTTP/1.1 200 ")
        tunnel.sendall(b"hello")
        assert tunnel.recv(65536) == b"hello"
    with echo_server() as port, connect(lite) as plain:
        asked = b"GET http://127.0.0.1:%d/path?x=1 HTTP/1.1\r\nHost: a\r\nAccept: b\r\n" % port
        plain.sendall(asked + b"Connection: keep-alive\r\n\r\n")
        passed_on = b"GET /path?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\nAccept: b\r\n\r\n"
        assert plain.recv(65536) == passed_on % port
    with connect(lite) as tunnel:
        tunnel.sendall(b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n")
        assert tunnel.recv(65536).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/nothing HTTP/1.1\r\n\r\n", 501),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /v1/admin/projects/1/locations/us-a/topics HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", 400),
        (b"POST /v1/admin/projects/1/locations/us-a/topics HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", 400),
        (b"GET /v1/admin/projects/1/locations/us-a/topics?pageSize=x HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/admin/projects/1/locations/us-a/topics?colour=red HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_bad_http(lite: Emulator, request_: bytes, status: int) -> None:
    with connect(lite) as connection:
        named = request_.replace(b"\r\n", b"\r\nHost: %s\r\n" % lite.address.encode(), 1)
        answer = exchange(connection, named)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == status


def told(lite: Emulator, *asked: bytes) -> bytes:
    """Return what the emulator says last to these, sent one after the other."""
    with connect(lite) as connection:
        answer = b""
        for request in asked:
            connection.sendall(request)
            answer = connection.recv(65536)
        while more := connection.recv(65536):
            answer += more
    return answer


def test_a_tunnel_to_the_emulator_leads_nowhere_else(lite: Emulator) -> None:
    refused = b"a tunnel to the emulator leads nowhere else\n"
    here = b"CONNECT pubsublite.googleapis.com:443 HTTP/1.1\r\n\r\n"
    itself = b"CONNECT %s HTTP/1.1\r\n\r\n" % lite.address.encode()
    for tunnel in (here, itself):
        for nested in (
            here,
            itself,
            b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n",
            b"GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n",
        ):
            answer = told(lite, tunnel, nested)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert answer.endswith(refused)


@pytest.mark.parametrize(
    "place",
    [
        "10.255.255.1:80",
        "169.254.169.254:80",
        "172.17.0.1:9092",
        "[fd00::1]:443",
        "[::ffff:10.0.0.1]:80",
        "0.0.0.0:22",
    ],
)
def test_the_proxy_does_not_lead_into_a_private_network(lite: Emulator, place: str) -> None:
    for request in (f"CONNECT {place} HTTP/1.1\r\n\r\n", f"GET http://{place}/ HTTP/1.1\r\nHost: a\r\n\r\n"):
        answer = told(lite, request.encode()).decode()
        assert answer.startswith("HTTP/1.1 403 ")
        assert answer.endswith(" is in a private network, where this proxy does not lead\n")


def test_nor_does_it_by_a_name(lite: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for a name of the compose network, which resolves to one of its addresses."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, port: Any, *kind: Any, **more: Any) -> Any:
        return resolve("10.255.255.1" if host == "kafka" else host, port, *kind, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    for request in (b"CONNECT kafka:29092 HTTP/1.1\r\n\r\n", b"GET http://kafka:29092/ HTTP/1.1\r\n\r\n"):
        answer = told(lite, request)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.endswith(b"kafka:29092 is in a private network, where this proxy does not lead\n")


def test_connections_have_a_limit(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "CONNECTIONS", 3)
    with Emulator(storage) as lite, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(lite))
        assert told(lite).startswith(b"HTTP/1.1 503 ")


def h2_frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def test_nonsense_on_every_layer_breaks_nothing(lite: Emulator) -> None:
    """Send random bytes to the port, into the tunnel, and as HTTP/2 frames within TLS."""
    chance = random.Random(7)
    context = ssl.create_default_context(cafile=str(lite.files.ca))
    context.set_alpn_protocols(["h2"])

    def plain(connection: socket.socket) -> None:
        start = chance.choice(
            [b"", b"\x16", b"\x16\x03\x01", b"GET ", b"CONNECT ", b"POST /token HTTP/1.1\r\n"]
        )
        connection.sendall(
            start + chance.randbytes(chance.randrange(400)) + chance.choice([b"", b"\r\n\r\n"])
        )

    def framed(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_hostname="localhost") as inner:
            inner.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(4, 0, 0, b""))
            for _ in range(5):
                kind, stream = chance.randrange(12), chance.choice([0, 1, 3])
                body = chance.randbytes(chance.randrange(50))
                inner.sendall(h2_frame(kind, chance.randrange(256), stream, body))

    for attack in (plain, framed):
        for _ in range(40):
            with connect(lite) as connection, suppress(OSError):  # the server may hang up
                attack(connection)
    assert alive(lite)


def test_nonsense_as_messages_is_refused(lite: Emulator) -> None:
    chance = random.Random(11)
    methods = {
        "PublisherService": "Publish",
        "SubscriberService": "Subscribe",
        "CursorService": "StreamingCommitCursor",
        "PartitionAssignmentService": "AssignPartitions",
    }
    with Channel(lite) as channel:
        for service, method in methods.items():
            for _ in range(25):
                raw = chance.randbytes(chance.randrange(1, 60))
                code = channel.stream(service, method, "PublishResponse").send(raw).refused()
                assert code.name in ("INVALID_ARGUMENT", "NOT_FOUND")
    assert alive(lite)


def test_a_stop_ends_streams_with_a_code_that_clients_retry(storage: str) -> None:
    with Emulator(storage) as lite, Channel(lite) as channel:
        admin = "AdminService"
        place = "projects/1/locations/us-central1-a"
        topic = message("CreateTopicRequest")(
            parent=place, topic_id="stopping", topic={"partition_config": {"count": 1}}
        )
        name = channel.unary(admin, "CreateTopic", topic, "Topic").name
        stream = channel.stream("PublisherService", "Publish", "PublishResponse")
        stream.send(message("PublishRequest")(initial_request={"topic": name})).receive()
        lite.__exit__(None, None, None)
        assert stream.refused().name == "UNAVAILABLE"


def test_many_idle_streams_cost_nothing(lite: Emulator, make: Any, eventually: Callable[..., None]) -> None:
    """Open two hundred streams on one connection; the emulator's thread stays quiet."""
    subscription = str(make.subscription(make.topic(partitions=100)))
    request = message("StreamingCommitCursorRequest")
    with Channel(lite) as channel:
        streams = [
            channel.stream("CursorService", "StreamingCommitCursor", "StreamingCommitCursorResponse").send(
                request(initial={"subscription": subscription, "partition": number % 100})
            )
            for number in range(200)
        ]
        assert all(stream.receive().HasField("initial") for stream in streams)
        before, wall = time.process_time(), time.monotonic()
        threading.Event().wait(1.0)
        assert time.process_time() - before < 0.3 * (time.monotonic() - wall)
        for stream in streams:
            stream.close()


def test_a_process_may_be_started_beside_it(lite: Emulator, make: Any) -> None:
    """Start one as PySpark starts its JVM; with gRPC's own handlers of fork(), one in thirty is aborted."""
    make.topic()
    ends = Counter[int]()
    for _ in range(200):
        with subprocess.Popen(["true"], preexec_fn=lambda: None) as started:
            ends[started.wait()] += 1
    assert ends == {0: 200}
