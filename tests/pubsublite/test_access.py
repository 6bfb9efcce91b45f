"""REST and the token endpoint: no page in a browser, nothing partial or too large; where the proxy leads."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import grpc
import pytest

from loopback import connection as http_connection
from pubsublite_emulator import Emulator, front, web
from pubsublite_emulator.access import may_reach
from pubsublite_emulator.catalog import Catalog
from pubsublite_emulator.schema import message
from tests.pubsublite.raw import Channel

TOPICS = "/v1/admin/projects/1/locations/us-central1-a/topics"
PAGES = "pages of other sites may not call this emulator"


@pytest.fixture(scope="module")
def lite() -> Iterator[Emulator]:
    with Emulator() as lite:
        yield lite


def connect(lite: Emulator) -> socket.socket:
    host, port = lite.address.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def call(
    lite: Emulator, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    connection = HTTPConnection(lite.address, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "evil.example:80"}, "Host 'evil.example:80' is not this emulator; expected 127.0.0.1:"),
        ({"Host": "evil.googleapis.com"}, "Host 'evil.googleapis.com' is not this emulator"),
        ({"Host": "pubsublite.googleapis.com.evil.example"}, "Host 'pubsublite.googleapis.com.evil.example'"),
        ({"Origin": "https://evil.example"}, f"Origin 'https://evil.example': {PAGES}"),
        ({"Origin": "null"}, f"Origin 'null': {PAGES}"),
        ({"Sec_Fetch_Site": "cross-site"}, f"Sec-Fetch-Site 'cross-site': {PAGES}"),
        ({"Sec_Fetch_Site": "same-site"}, f"Sec-Fetch-Site 'same-site': {PAGES}"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", f"{TOPICS}?topicId=evil"), ("POST", "/token"), ("GET", "/")]
)
def test_a_page_gets_nothing(
    lite: Emulator, method: str, path: str, headers: dict[str, str], reason: str
) -> None:
    status, answer = call(lite, method, path, b'{"partitionConfig":{"count":1}}', **headers)
    assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert answer["error"]["message"].startswith(reason)
    assert call(lite, "GET", TOPICS) == (200, {})


@pytest.mark.parametrize(
    "host", ["localhost:{}", "127.0.0.1:{}", "[::1]:{}", "us-central1-pubsublite.googleapis.com"]
)
def test_google_clients_names_are_its_own(lite: Emulator, host: str) -> None:
    named = host.format(lite.address.rsplit(":", 1)[1])
    assert call(lite, "GET", "/", Host=named) == (200, {"emulator": "pubsublite"})


def test_half_requests_are_hung_up_on(lite: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_SECONDS", 0.2)
    with connect(lite) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % lite.address.encode())
        answer = b""
        while not answer.endswith(b'{"emulator":"pubsublite"}'):
            answer += connection.recv(65536)
        connection.sendall(b"GET / HT")
        assert connection.recv(65536) == b""


HALVES = {
    "nothing": b"",
    "half a head": b"GET / HT",
    "half a CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\n",
    "half a TLS header": b"\x16\x03\x01",
    "half a ClientHello": b"\x16\x03\x01\x02\x00\x01\x00",
}
TUNNELS = {"plain": b"", "in a tunnel": b"CONNECT pubsublite.googleapis.com:443 HTTP/1.1\r\n\r\n"}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("tunnel", TUNNELS.values(), ids=TUNNELS)
def test_a_first_request_that_stops_halfway_is_hung_up_on(
    lite: Emulator, monkeypatch: pytest.MonkeyPatch, tunnel: bytes, half: bytes
) -> None:
    monkeypatch.setattr(front, "_HELLO_SECONDS", 0.2)
    with connect(lite) as connection:
        if tunnel:
            connection.sendall(tunnel)
            assert connection.recv(65536) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        connection.sendall(half)
        assert connection.recv(65536) == b""


def test_a_body_that_stands_still_is_refused(lite: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_BODY_SECONDS", 0.2)
    head = f"POST {TOPICS}?topicId=slow HTTP/1.1\r\nHost: {lite.address}\r\nContent-Length: 10\r\n\r\n{{"
    with connect(lite) as connection:
        connection.sendall(head.encode())
        answer = b""
        while not answer.endswith(b"}}"):
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 504 ")
    said = {"code": 504, "message": "no whole body in 0.2 s", "status": "DEADLINE_EXCEEDED"}
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1]) == {"error": said}


def test_a_body_has_a_limit(lite: Emulator) -> None:
    status, answer = call(lite, "POST", f"{TOPICS}?topicId=large", bytes((1 << 20) + 1))
    assert (status, answer["error"]["message"]) == (400, "the body is larger than 1048576 bytes")


def test_a_fault_of_its_own_is_answered(lite: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Catalog, "all")
    status, answer = call(lite, "GET", TOPICS)
    assert (status, answer["error"]["status"]) == (500, "INTERNAL")


@pytest.mark.parametrize("count", [0, 1_001, 3_000_000])
def test_partitions_have_a_limit(lite: Emulator, count: int) -> None:
    body = json.dumps({"partitionConfig": {"count": count}}).encode()
    status, answer = call(lite, "POST", f"{TOPICS}?topicId=wide", body)
    said = f"partition_config.count is {count}: expected 1 to 1000"
    assert (status, answer["error"]["status"], answer["error"]["message"]) == (400, "INVALID_ARGUMENT", said)
    place = TOPICS.removeprefix("/v1/admin/").removesuffix("/topics")
    request = message("CreateTopicRequest")(
        parent=place, topic_id="wide", topic={"partition_config": {"count": count}}
    )
    with Channel(lite) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary("AdminService", "CreateTopic", request, "Topic")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, said)
    assert call(lite, "GET", TOPICS) == (200, {})


def test_a_topic_grows_up_to_the_limit(lite: Emulator) -> None:
    assert call(lite, "POST", f"{TOPICS}?topicId=grows", b'{"partitionConfig":{"count":1}}')[0] == 200
    for count, status in ((1_001, 400), (1_000, 200)):
        body = json.dumps({"partitionConfig": {"count": count}}).encode()
        assert call(lite, "PATCH", f"{TOPICS}/grows?updateMask=partitionConfig.count", body)[0] == status
    call(lite, "DELETE", f"{TOPICS}/grows")


@pytest.mark.parametrize(
    ("address", "client", "leads"),
    [
        ("142.250.1.1", "172.18.0.5", True),
        ("142.250.1.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "127.0.0.1", True),
        ("127.0.0.1", "172.18.0.5", False),  # a service that listens beside the emulator in its container
        ("172.18.0.2", "172.18.0.5", False),  # another service in the compose network
        ("::ffff:127.0.0.1", "172.18.0.5", False),
        ("fe80::1%eth0", "127.0.0.1", False),
    ],
)  # fmt: skip
def test_where_the_proxy_leads(address: str, client: str, leads: bool) -> None:
    assert may_reach(address, client) is leads
