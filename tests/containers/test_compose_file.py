"""The compose file and the Dockerfile on their own: pinned images, loopback only, as the README says."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.laptop.doctor.machine import PORTS
from tests.dashboard.served import served
from tests.support.foreign_page import PLACES, foreign_page
from tests.support.reader import table

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
ALLOWED = re.compile(r"(python|apache/kafka|ghcr\.io/kafbat/kafka-ui):v?\d+\.\d+[\w.-]*")
ENDS_BY_ITSELF = {"topics", "tests"}
LOCAL = ("localhost", "127.0.0.1", "[::1]")
FOREIGN = ("evil.example", "localhost.evil.example", "192.168.1.1")


def test_every_image_is_pinned_and_from_a_registry_that_keeps_its_images() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - stages
    others = {service["image"] for service in SERVICES.values() if "build" not in service}
    assert bases == {"python:3.11-slim-bookworm"}
    assert [image for image in bases | others if not ALLOWED.fullmatch(image)] == []


def test_an_image_of_ours_is_built_from_a_stage_that_is_there() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    ours = {name: service["build"] for name, service in SERVICES.items() if "build" in service}
    assert {build["target"] for build in ours.values()} <= stages
    assert {SERVICES[name]["image"] for name in ours} == {
        f"twinstream-{build['target']}" for build in ours.values()
    }


def test_no_image_of_ours_runs_as_root() -> None:
    users: dict[str, str] = {}
    for stage in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]:
        base, name = re.findall(r"FROM (\S+) AS (\S+)", stage)[0]
        users[name] = (re.findall(r"^USER (\S+)", stage, re.MULTILINE) or [users.get(base, "root")])[-1]
    targets = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert {target: users[target] for target in targets} == dict.fromkeys(targets, "twinstream")


def test_ports_are_on_loopback_and_may_be_changed() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+", port)] == []
    chosen = dict(re.findall(r"\{([A-Z_]+_PORT):-(\d+)\}:", " ".join(ports)))
    assert {name: str(port) for name, port in PORTS.items()}.items() <= chosen.items()


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ENDS_BY_ITSELF))
def test_a_service_that_stays_says_whether_it_is_well_and_has_a_limit(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["mem_limit"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@contextmanager
def jupyter(folder: Path) -> Iterator[int]:
    """Run Jupyter's server with compose's flags, on a system-assigned port and without JupyterLab's pages."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = SERVICES["jupyter"]["command"].removeprefix("jupyter lab ").split()
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        *flags,
        "--ServerApp.jpserver_extensions=jupyterlab=False",
    ]
    folders = {name: str(folder) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    process = subprocess.Popen(
        [*command, f"--port={port}", "--ServerApp.port_retries=0", "--allow-root"],
        cwd=folder,
        env={**os.environ, **folders},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while status(port, "/api", "localhost") is None:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def status(port: int, path: str, host: str, **headers: str) -> int | None:
    """Return a request's status, or None if nobody answers yet."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{port}", **headers})
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def test_jupyter_answers_to_this_machines_names_only(tmp_path: Path) -> None:
    with jupyter(tmp_path) as port:
        answers = {host: status(port, "/api/kernels", host) for host in (*LOCAL, *FOREIGN)}
    assert answers == dict.fromkeys(LOCAL, 200) | dict.fromkeys(FOREIGN, 403)


@pytest.mark.needs("chromium")
def test_a_page_in_a_browser_starts_no_kernel(tmp_path: Path) -> None:
    """Jupyter says 404 to another Origin and 403 to another Host."""
    with jupyter(tmp_path) as port, foreign_page() as page:
        answers = {place: page.send(place, "POST", port, "/api/kernels", "{}") for place in PLACES}
        assert list(answers.values()) == [404, 404, 403, 403], answers
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/kernels", timeout=30) as kernels:
            assert kernels.read() == b"[]"


def test_the_page_answers_to_this_machines_names_only(tmp_path: Path) -> None:
    socket_wanted = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with served(tmp_path) as address:
        port = int(address.rsplit(":", 1)[1])

        def answer(host: str, origin: str) -> int | None:
            """Return the status of a request for the stream that carries all data of the page."""
            return status(port, "/_stcore/stream", host, Origin=f"http://{origin}", **socket_wanted)

        own = {host: answer(host, f"{host}:{port}") for host in (*LOCAL, *FOREIGN)}
        assert answer("localhost", "evil.example") == 403
    assert own == dict.fromkeys(LOCAL, 101) | dict.fromkeys(FOREIGN, 403)


def test_the_readme_lists_every_service_with_its_port() -> None:
    ports = {name: service.get("ports", [""])[0] for name, service in SERVICES.items()}
    on_this_machine = {name: re.sub(r".*:-(\d+)\}.*", r"localhost:\1", port) for name, port in ports.items()}
    assert {name: cells[-1].strip("`") for name, cells in table("service").items()} == on_this_machine


def test_the_readme_lists_every_volume() -> None:
    assert table("volume").keys() == COMPOSE["volumes"].keys()


def test_the_readme_lists_every_variable_with_its_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    variables = dict(re.findall(r"(?<!\$)\$\{([A-Z_]+):-([^}]*)\}", text))
    assert {name: cells[0].strip("`") for name, cells in table("variable").items()} == variables
