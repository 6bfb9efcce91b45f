"""A local Dataproc faced with too many bytes or connections, and with its own faults."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack

import pytest

from dataproc_emulator import DataprocEmulator, http_server
from dataproc_emulator.buckets import Buckets
from loopback import connection
from tests.dataproc.calls import bearer, call, connect, said
from tests.support.full_disk import room_for

MEBIBYTE = 1 << 20
UPLOAD = "/upload/storage/v1/b/limits/o?name=deep/er/object"
FULL = "File too large: the emulator's directory has no room; remedy: free some and try again"


@pytest.fixture(autouse=True)
def bucket(idle: DataprocEmulator) -> None:
    call(idle, "POST", "/storage/v1/b", b'{"name": "limits"}')


def left(dataproc: DataprocEmulator) -> list[str]:
    """Return the files that uploads have left, and those in the bucket."""
    places = (dataproc.files.uploads, dataproc.files.buckets / "limits")
    return [path.name for place in places for path in place.rglob("[!.]*")]


def test_an_upload_into_a_full_disk_is_answered_and_leaves_nothing(idle: DataprocEmulator) -> None:
    body = bytes(3 * MEBIBYTE)
    with room_for(2 * MEBIBYTE):
        assert said(call(idle, "POST", f"{UPLOAD}&uploadType=media", body)) == (507, FULL)
    assert left(idle) == []
    assert call(idle, "POST", f"{UPLOAD}&uploadType=media", body)[0] == 200
    assert call(idle, "DELETE", "/storage/v1/b/limits/o/deep%2Fer%2Fobject") == (204, None)
    assert left(idle) == []


def test_an_upload_in_parts_into_a_full_disk_leaves_nothing(idle: DataprocEmulator) -> None:
    def begin() -> str:
        connection = call(idle, "POST", f"{UPLOAD}&uploadType=resumable", b"{}")
        assert connection == (200, None)
        (part,) = idle.files.uploads.glob("*.part")
        return f"/upload/storage/v1/b/limits/o?upload_id={part.stem}"

    place, half = begin(), bytes(MEBIBYTE * 3 // 2)
    with room_for(2 * MEBIBYTE):
        assert call(idle, "PUT", place, half, Content_Range="bytes 0-1572863/*")[0] == 308
        refused = call(idle, "PUT", place, half, Content_Range="bytes 1572864-3145727/3145728")
        assert said(refused) == (507, FULL)
    assert left(idle) == []
    assert call(idle, "PUT", place, half)[0] == 404


@pytest.mark.parametrize("kind", ["media", "resumable"])
def test_an_upload_that_is_refused_leaves_nothing(idle: DataprocEmulator, kind: str) -> None:
    assert call(idle, "POST", f"{UPLOAD}&uploadType=media", b"x")[0] == 200
    place, method = f"/upload/storage/v1/b/limits/o?name=deep/er&uploadType={kind}", "POST"
    if kind == "resumable":
        assert call(idle, method, place, b"{}") == (200, None)
        (part,) = idle.files.uploads.glob("*.part")
        place, method = f"/upload/storage/v1/b/limits/o?upload_id={part.stem}", "PUT"
    refused = "deep/er: an object and a folder of one name cannot both be files here."
    assert said(call(idle, method, place, b"y")) == (400, refused)
    assert left(idle) == ["deep", "er", "object"]
    call(idle, "DELETE", "/storage/v1/b/limits/o/deep%2Fer%2Fobject")
    assert left(idle) == []


def test_a_body_of_json_has_a_limit(idle: DataprocEmulator) -> None:
    refused = call(idle, "POST", "/storage/v1/b", bytes(10 * MEBIBYTE + 1))
    assert said(refused) == (413, "The body is larger than 10485760 bytes.")


def test_a_body_in_chunks_is_an_object(idle: DataprocEmulator) -> None:
    with connect(idle) as connection:
        head = f"POST {UPLOAD}&uploadType=media HTTP/1.1\r\nHost: {idle.address}\r\n"
        head += f"Authorization: {bearer(idle)}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert (idle.files.buckets / "limits/deep/er/object").read_bytes() == b"abcde"
    call(idle, "DELETE", "/storage/v1/b/limits/o/deep%2Fer%2Fobject")


@pytest.mark.parametrize("content", [b"", b"\r", b"two\n\n--lines--\r\n", bytes(range(256)) * 9000])
@pytest.mark.parametrize("line", [b"\r\n", b"\n"])
def test_a_multipart_body_is_its_second_part(idle: DataprocEmulator, content: bytes, line: bytes) -> None:
    parts = [b"--=b=", b"Content-Type: application/json", b"", b'{"name":"part"}']
    parts += [b"--=b=", b"Content-Type: text/plain", b"", content, b"--=b=--"]
    place, kind = "/upload/storage/v1/b/limits/o?uploadType=multipart", 'multipart/related; boundary="=b="'
    status, described = call(idle, "POST", place, line.join(parts), Content_Type=kind)
    assert (status, described["name"], described["size"]) == (200, "part", str(len(content)))
    assert (idle.files.buckets / "limits/part").read_bytes() == content
    call(idle, "DELETE", "/storage/v1/b/limits/o/part")


def test_half_requests_are_hung_up_on_and_hold_no_thread(
    idle: DataprocEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.0)
    before = threading.active_count()
    with ExitStack() as stack:
        halves = [stack.enter_context(connect(idle)) for _ in range(200)]
        for number, half in enumerate(halves):
            half.sendall(b"POST / HTTP/1.1\r\nHost: " if number % 2 else b"")
        assert call(idle, "GET", "/storage/v1/b")[0] == 200
        assert threading.active_count() <= before + 2
        assert {half.recv(1) for half in halves} == {b""}


def test_half_a_body_is_refused(idle: DataprocEmulator) -> None:
    head = f"POST /storage/v1/b HTTP/1.1\r\nHost: {idle.address}\r\nAuthorization: {bearer(idle)}\r\n"
    with connect(idle) as connection:
        connection.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
        answer = b""
        while not answer.endswith(b"}}"):
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body did not go on for 1 s." in answer


def test_connections_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CONNECTIONS", 3)
    with ExitStack() as stack:
        quiet = stack.enter_context(DataprocEmulator())
        kept = [stack.enter_context(connect(quiet)) for _ in range(3)]
        with connect(quiet) as refused:
            assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
        kept[0].sendall(f"GET /storage/v1/b HTTP/1.1\r\nHost: {quiet.address}\r\n\r\n".encode())
        assert kept[0].recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_fault_of_its_own_is_answered(
    idle: DataprocEmulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(Buckets, "names")
    refused = said(call(idle, "GET", "/storage/v1/b"))
    assert refused == (500, "AttributeError inside the emulator; its log says where")
    assert "'Buckets' object has no attribute 'names'" in caplog.text


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(idle: DataprocEmulator, body: bytes) -> None:
    assert said(call(idle, "POST", "/storage/v1/b", body)) == (400, "Invalid JSON payload received.")


@pytest.mark.parametrize("prefix", ["../../", "../", "/etc/", "./", "a//", "deep/../../", "..%2F..%2F"])
def test_a_listing_shows_nothing_outside_the_bucket(idle: DataprocEmulator, prefix: str) -> None:
    listed = call(idle, "GET", f"/storage/v1/b/limits/o?prefix={prefix}")
    assert listed == (200, {"kind": "storage#objects", "items": [], "prefixes": []})


@pytest.mark.parametrize(
    "name", ["../escaped", "a/../../escaped", "/tmp/escaped", "a//b", "a/", "x\0y", "é" * 128]
)
def test_a_name_that_leads_elsewhere_is_refused(idle: DataprocEmulator, name: str) -> None:
    place = "/upload/storage/v1/b/limits/o?uploadType=multipart"
    kind, described = "multipart/related; boundary=b", json.dumps({"name": name}).encode()
    body = b"--b\n\n%s\n--b\n\nx\n--b--" % described
    refused = f"Object name {name!r} cannot be the name of a file here."
    assert said(call(idle, "POST", place, body, Content_Type=kind)) == (400, refused)
    assert left(idle) == []
