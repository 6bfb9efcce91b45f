"""Clients that offer HTTP/2 for REST, as curl and everything written in Go do: the same port serves them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from pubsublite_emulator import Emulator
from pubsublite_emulator.front import speaks_grpc

IN_MEMORY = pytest.mark.parametrize("storage", ["memory"], indirect=True)
PROJECT = "https://cloudresourcemanager.googleapis.com/v1/projects/4711"
SHOWN = {"projectNumber": "4711", "projectId": "4711", "lifecycleState": "ACTIVE", "name": "4711"}
GO = """
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(string(body))
}
"""


def ran(*command: str, **variables: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@IN_MEMORY
@pytest.mark.needs("curl")
def test_curl_through_the_proxy(lite: Emulator) -> None:
    options = ("--silent", "--show-error", "--fail", "--max-time", "30", "--http2")
    proxy = ("--cacert", str(lite.files.ca), "--proxy", f"http://{lite.address}")
    assert json.loads(ran("curl", *options, *proxy, PROJECT)) == SHOWN


@IN_MEMORY
@pytest.mark.slow
@pytest.mark.needs("go")
def test_go_through_the_proxy(lite: Emulator, tmp_path: Path) -> None:
    """Ask by Go's net/http, which all of Google's REST clients for Go stand on."""
    (tmp_path / "ask.go").write_text(GO)
    trusted = {"SSL_CERT_FILE": str(lite.files.ca), "HTTPS_PROXY": f"http://{lite.address}"}
    assert json.loads(ran("go", "run", str(tmp_path / "ask.go"), PROJECT, **trusted)) == SHOWN


def hello(*protocols: bytes) -> bytes:
    """Return a ClientHello record that offers these protocols, or that has no such extension."""
    names = b"".join(bytes([len(name)]) + name for name in protocols)
    alpn = len(names).to_bytes(2, "big") + names
    extension = b"\0\x10" + len(alpn).to_bytes(2, "big") + alpn if protocols else b""
    body = (
        b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + len(extension).to_bytes(2, "big") + extension
    )
    handshake = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(handshake).to_bytes(2, "big") + handshake


@pytest.mark.parametrize(
    ("protocols", "grpc"),
    [
        ((b"h2",), True),
        ((b"grpc-exp", b"h2"), True),  # grpc before 1.34
        ((b"h2", b"http/1.1"), False),  # curl, Go
        ((b"http/1.1",), False),
        ((), False),
    ],
)
def test_who_is_taken_for_grpc(protocols: tuple[bytes, ...], grpc: bool) -> None:
    assert speaks_grpc(hello(*protocols)) is grpc
