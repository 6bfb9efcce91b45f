"""Publishing, recording, creating topics and Spark's own check, on a broker that requires a login."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from pyspark.sql import SparkSession

from jobs.engine.sink import Results
from jobs.sinks import kafka as kafka_sink
from jobs.sinks.kafka import TopicOptions
from sources import kafka
from sources.base import SourceError
from sources.catalog import PRODUCT, STREAMS, Stream
from sources.flags import options as given
from sources.kafka.client import connected
from sources.laptop.commands import main
from tests.support.kafka_sasl import ACCOUNT, PASSWORD, SaslBroker


@pytest.fixture(autouse=True)
def _googles_account(sasl: SaslBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sasl.environment.items():
        monkeypatch.setenv(name, value)


def options(*flags: str) -> TopicOptions:
    return given(TopicOptions, flags, prog="test")


def refusals(spark: SparkSession, flags: list[str]) -> list[str]:
    """Return what the source's check, the Kafka sink and the publisher each say, all within their time."""
    of, results = options(*flags, f"--sink-topic={PRODUCT.topic}"), Results("j", "a", (), (), False, True)
    said = []
    for attempt in (
        lambda: kafka.check(spark, [PRODUCT], of),
        lambda: kafka_sink.open_sink(spark, of, results),
        lambda: kafka.publisher(of),
    ):
        began = time.monotonic()
        with pytest.raises(SourceError) as raised:
            attempt()
        assert time.monotonic() - began < 120  # 30 s on an idle machine
        said.append(str(raised.value))
        assert "\n" not in said[-1]
        assert PASSWORD not in said[-1]
    return said


@pytest.mark.parametrize("login", ["plain", "managed"])
def test_what_is_published_is_recorded(
    sasl: SaslBroker, login: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = sasl.plain() if login == "plain" else sasl.managed
    assert main(["create", "--source=kafka", *flags]) == 0
    assert capsys.readouterr().out.splitlines() == [f"made {stream.topic}" for stream in STREAMS.values()]
    assert main(["publish", "--source=kafka", "--scenario=static-join", "--rate=20", *flags]) == 0
    assert main(["record", *flags, f"--replay-dir={tmp_path}", "--count=7"]) == 0
    said = capsys.readouterr()
    assert "61 published, 61 acknowledged, 0 failed" in said.out + said.err
    assert PASSWORD not in said.out + said.err
    assert len((tmp_path / PRODUCT.name / "0001.jsonl").read_text().splitlines()) == 7
    for stream in STREAMS.values():
        sasl.broker.delete_topic(stream.topic)


def test_spark_is_let_in_and_names_the_login_where_a_topic_lacks(
    spark: SparkSession, sasl: SaslBroker
) -> None:
    sasl.broker.create_topic("secret-topic")
    of = options(*sasl.plain())
    assert list(kafka.check(spark, [Stream("secret")], of)) == ["secret"]
    assert kafka.read(spark.read, Stream("secret"), of).collect() == []
    with pytest.raises(SourceError) as raised:
        kafka.check(spark, [Stream("absent")], of)
    assert str(raised.value).endswith(
        f"--kafka-auth plain --kafka-username ann --kafka-password-file {sasl.folder}/password "
        f"--kafka-tls-ca {sasl.folder}/ca.pem"
    )


def test_a_wrong_password_is_said_and_never_shown(
    spark: SparkSession, sasl: SaslBroker, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("hunter2\n")
    flags = [*sasl.plain(), f"--kafka-password-file={tmp_path / 'wrong'}"]
    head = f"SASL login refused by {sasl.server('PLAIN')}: "
    why = "Authentication failed: Invalid username or password"
    tail = (
        "; expected an account that the broker knows; "
        f"remedy: look at --kafka-username ann and at {tmp_path}/wrong"
    )
    by_spark, by_sink, by_publisher = refusals(spark, flags)
    assert by_spark == by_sink == head + why + tail
    # kafka-python drops an answer that arrives together with the end of the connection.
    assert by_publisher in (
        head + why + tail,
        head + "the broker closed the connection during the login" + tail,
    )


def test_a_refused_login_is_not_tried_until_the_deadline(sasl: SaslBroker, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("hunter2")
    tries: list[str] = []

    def counted(**settings: Any) -> KafkaProducer:
        tries.append("once more")
        return KafkaProducer(**settings)

    with pytest.raises(SourceError, match="SASL login refused"):
        connected(counted, options(*sasl.plain(), f"--kafka-password-file={tmp_path / 'wrong'}"))
    assert tries == ["once more"]


@pytest.mark.parametrize(
    ("listener", "flags", "said"),
    [
        pytest.param(
            "EXPIRED",
            [],
            "the certificate of {server} is refused: certificate has expired; expected a valid one; "
            "remedy: renew the broker's certificate",
            marks=pytest.mark.slow,
        ),
        (
            "MISNAMED",
            [],
            "the certificate of {server} is refused: IP address mismatch, certificate is not valid for "
            "'127.0.0.1'; expected a valid one; remedy: an address that the certificate names",
        ),
        pytest.param(
            "PLAIN",
            ["--kafka-tls-ca={folder}/other-ca.pem"],
            "the certificate of {server} is refused: unable to get local issuer certificate; expected a "
            "valid one; remedy: --kafka-tls-ca with the certificate of the authority that signed it",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "PLAIN",
            ["--kafka-tls-ca="],
            "the certificate of {server} is refused: unable to get local issuer certificate; expected a "
            "valid one; remedy: --kafka-tls-ca with the certificate of the authority that signed it",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["expired", "another host's", "unknown authority", "no public authority"],
)
def test_a_bad_certificate_is_said_alike_by_all(
    spark: SparkSession, sasl: SaslBroker, listener: str, flags: list[str], said: str
) -> None:
    given = [*sasl.plain(listener), *(flag.format(folder=sasl.folder) for flag in flags)]
    server = sasl.server(listener)
    expected = f"--kafka-bootstrap-servers {server}: {said.format(server=server)}"
    assert refusals(spark, given) == [expected] * 3


@pytest.mark.slow
def test_a_listener_without_tls_is_said_alike_by_all(
    spark: SparkSession, sasl: SaslBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sources.kafka.connection", "sources.kafka.client"):
        monkeypatch.setattr(f"{module}.ANSWER_SECONDS", 5)
    server = sasl.broker.bootstrap
    expected = (
        f"--kafka-bootstrap-servers {server}: no TLS at {server} (UNEXPECTED_EOF_WHILE_READING); expected a "
        "listener with SASL_SSL; remedy: the port of that listener, or --kafka-auth none where no login is "
        "wanted"
    )
    assert refusals(spark, [*sasl.plain(), f"--kafka-bootstrap-servers={server}"]) == [expected] * 3


def test_a_java_without_googles_jars_names_the_command(spark: SparkSession, sasl: SaslBroker) -> None:
    with pytest.raises(SourceError) as raised:
        kafka.check(spark, [PRODUCT], options(*sasl.managed))
    assert str(raised.value).startswith("Spark cannot load Google's login (")
    assert str(raised.value).endswith(
        "; expected the jar set 'managed-kafka' ahead of Spark's own jars; "
        "remedy: twinstream jars managed-kafka, then restart Spark"
    )


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({}, "File {file} is not a valid json file"),
        ({"token_uri": "http://127.0.0.1:1/token"}, "Connection refused"),
    ],
)
def test_credentials_that_give_no_token_are_one_line(
    sasl: SaslBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: dict[str, str], said: str
) -> None:
    file = tmp_path / "account.json"
    whole = json.loads((sasl.folder / "account.json").read_text())
    file.write_text(json.dumps(whole | account) if account else "no JSON")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(SourceError) as raised:
        kafka.publisher(options(*sasl.managed))
    message = str(raised.value)
    assert message.startswith("--kafka-auth managed: ")
    assert said.format(file=file) in message
    assert "\n" not in message
    assert message.endswith(
        "; expected application default credentials that give a token; "
        "remedy: GOOGLE_APPLICATION_CREDENTIALS with a service account's file, or a machine with an account"
    )


def test_an_account_that_the_broker_does_not_know_is_told_the_role(
    sasl: SaslBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = json.loads((sasl.folder / "account.json").read_text()) | {"client_email": f"x{ACCOUNT}"}
    (tmp_path / "account.json").write_text(json.dumps(stranger))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    with pytest.raises(SourceError, match=r"^SASL login refused by ") as raised:
        kafka.publisher(options(*sasl.managed))
    assert str(raised.value).endswith(
        "; remedy: grant roles/managedkafka.client to the account of the application default credentials"
    )
