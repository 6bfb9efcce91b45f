"""The doctor on this machine: it reports what is well, and each fault with its remedy."""

from __future__ import annotations

import importlib
import json
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine import jar_files
from jobs.laptop.commands import main
from jobs.laptop.doctor import broker, engine, machine
from jobs.laptop.doctor import spark as spark_checks
from jobs.laptop.doctor.diagnosis import Diagnosis
from jobs.laptop.doctor.engine import Engine
from sources import kafka
from sources.catalog import BROWSING, PRODUCT
from tests.containers.published import options
from tests.support.kafka_broker import KafkaBroker


def said(diagnoses: Iterable[Diagnosis]) -> list[str]:
    return [str(one) for one in diagnoses]


def test_the_command_looks_at_everything_and_ends_with_the_count(
    capsys: pytest.CaptureFixture[str],
    kafka_broker: KafkaBroker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("JUPYTER_PORT", str(port))
        for name in ("KAFKA_PORT", "DASHBOARD_PORT"):
            with socket.create_server(("127.0.0.1", 0)) as free:
                monkeypatch.setenv(name, str(free.getsockname()[1]))
        flags = ["--kafka-bootstrap-servers", kafka_broker.bootstrap, "--checkpoint-root", str(tmp_path)]
        code = main(["doctor", *flags])
    lines = capsys.readouterr().out.splitlines()
    text = "\n".join(lines)
    for seen in (
        "memory: ",
        "processor: ",
        "Python: 3.11",
        "Java: ",
        "Spark: 3.5.3, Scala 2.12",
        "jars delta: 2",
    ):
        assert f"ok      {seen}" in text
    assert f"ok      broker at {kafka_broker.bootstrap}: answers, and leads clients back there" in lines
    assert f"ok      checkpoints: none of Kafka below {tmp_path}" in lines
    assert (
        f"fault   port {port} (JUPYTER_PORT): taken by another program; "
        f"remedy: stop that, or write JUPYTER_PORT={port + 1} into .env"
    ) in lines
    faults = sum(line.startswith("fault ") for line in lines)
    assert (lines[-1], code) == (f"faults: {faults}", 1)


def test_a_port_that_the_product_holds_is_no_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"KAFKA_PORT": str(port), "JUPYTER_PORT": str(port), "DASHBOARD_PORT": str(port)}
        assert {one.state for one in machine.ports(settings, {port})} == {"ok"}
        assert {one.state for one in machine.ports(settings, set())} == {"fault"}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("# ports\nKAFKA_PORT=1\nDASHBOARD_PORT = 2\n")
    monkeypatch.setenv("KAFKA_PORT", "3")
    monkeypatch.delenv("DASHBOARD_PORT", raising=False)
    settings = machine.settings(tmp_path)
    assert (settings["KAFKA_PORT"], settings["DASHBOARD_PORT"]) == ("3", "2")


def test_too_little_memory_and_a_strange_processor_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}.__getitem__)
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert said(machine.memory()) == [
        "fault   memory: 4.0 GiB; expected 6 GiB for all services; "
        "remedy: start fewer: docker compose up --wait discounts dashboard"
    ]
    assert said(machine.architecture())[0].startswith("fault   processor: s390x; expected one of x86_64")
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 6 * 2**18}.__getitem__)
    assert said(machine.memory()) == ["ok      memory: 6.0 GiB"]


def test_another_python_and_jars_of_another_scala_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert said(spark_checks.python())[0].startswith("fault   Python: 3.12; expected 3.11; remedy: ")
    monkeypatch.setattr(jar_files, "jars", lambda name: [Path(f"spark-{name}_2.13-3.5.3.jar")])
    assert "fault   jars kafka: spark-kafka_2.13-3.5.3.jar is not for Scala 2.12; remedy: " in "\n".join(
        said(spark_checks.jars())
    )


def test_jars_that_are_missing_are_a_fault_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSTREAM_JARS", str(tmp_path))
    faults = [line for line in said(spark_checks.jars()) if line.startswith("fault")]
    assert [line.rpartition("; remedy: ")[2] for line in faults] == [
        f"twinstream jars {name}"
        for name in ("kafka", "managed-kafka", "delta", "bigquery", "gs", "local", "pubsublite")
    ]


def test_a_broker_that_leads_its_clients_elsewhere_is_a_fault(kafka_broker: KafkaBroker) -> None:
    host, port = kafka_broker.bootstrap.split(":")
    other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}[host]
    assert said(broker.outside(f"{other}:{port}"))[0].startswith(
        f"fault   broker at {other}:{port}: leads its clients to {kafka_broker.bootstrap}; remedy: "
    )


def test_a_broker_that_is_not_there_is_unknown_and_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert said(broker.outside(address))[0].startswith(f"unknown broker at {address}: ")
    assert said(broker.inside(None))[0].startswith("unknown broker at kafka:29092: no container runs")


def test_a_checkpoint_of_a_topic_made_anew_is_stale(
    kafka_broker: KafkaBroker, spark: SparkSession, tmp_path: Path
) -> None:
    flags = options(kafka_broker.bootstrap)
    kafka.create([PRODUCT, BROWSING], flags)
    try:
        identities = kafka.check(spark, [PRODUCT, BROWSING], flags)
    finally:
        kafka_broker.delete_topic(BROWSING.topic)
        kafka.create([BROWSING], flags)
    for job, stream in (("a", PRODUCT), ("b", BROWSING)):
        folder = tmp_path / job / "kafka"
        folder.mkdir(parents=True)
        streams = {stream.name: identities[stream.name]}
        contract = {"job": job, "source": "kafka", "streams": streams, "settings": {}, "query": []}
        (folder / "twinstream.json").write_text(json.dumps({"contract": contract}))
    assert said(broker.checkpoints(tmp_path, kafka_broker.bootstrap)) == [
        f"ok      checkpoint {tmp_path}/a/kafka: its topics are there",
        f"fault   checkpoint {tmp_path}/b/kafka: browsing-stream was recreated since; "
        f"remedy: twinstream reset b --source kafka --checkpoint-root {tmp_path}",
    ]
    kafka_broker.delete_topic(PRODUCT.topic)
    assert said(broker.checkpoints(tmp_path, kafka_broker.bootstrap))[0] == (
        f"fault   checkpoint {tmp_path}/a/kafka: product-stream is gone from the broker; "
        f"remedy: twinstream reset a --source kafka --checkpoint-root {tmp_path}"
    )
    kafka_broker.delete_topic(BROWSING.topic)
    assert [one.state for one in broker.checkpoints(tmp_path, "127.0.0.1:1")] == ["unknown", "unknown"]


@pytest.mark.needs("docker")
def test_the_engine_and_compose_answer() -> None:
    lines = said(Engine().diagnoses())
    assert lines[0].startswith("ok      Docker: engine ")
    assert lines[1].startswith("ok      Compose: ")


@pytest.mark.needs("docker")
def test_a_broker_whose_container_is_paused_is_a_fault() -> None:
    client: Any = importlib.import_module("docker").from_env()
    container = client.containers.run("python:3.11-slim-bookworm", ["sleep", "600"], detach=True)
    try:
        container.pause()
        container.reload()
        assert said(broker.inside(container)) == [
            "fault   broker at kafka:29092: its container is paused; remedy: docker compose unpause kafka"
        ]
    finally:
        container.remove(force=True)
        client.close()


@pytest.mark.parametrize(
    ("version", "state"),
    [("2.22.0", "ok"), ("v2.22.0-desktop.1", "ok"), ("10.0.0", "ok"), ("2.21.9", "fault"), ("dev", "fault")],
)
def test_compose_is_new_enough_from_2_22_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho {version}\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert [one.state for one in engine._compose()] == [state]
