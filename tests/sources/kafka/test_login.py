"""The login's flags and files, and what a client is told about them; the broker is in test_kafka_sasl.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.laptop.commands import main as jobs
from sources.base import SourceError
from sources.kafka import login as kafka_login
from sources.kafka.options import KafkaOptions
from sources.laptop.commands import main as sources
from tests.support.certificates import Authority

WRONG = [
    (
        ["--kafka-username=ann"],
        "--kafka-username ann: a flag of --kafka-auth plain; expected none with --kafka-auth none; "
        "remedy: --kafka-auth plain, or leave it out",
    ),
    (
        ["--kafka-auth=managed", "--kafka-password-file=p"],
        "--kafka-password-file p: a flag of --kafka-auth plain; expected none with --kafka-auth managed; "
        "remedy: --kafka-auth plain, or leave it out",
    ),
    (
        ["--kafka-tls-ca=ca.pem"],
        "--kafka-tls-ca ca.pem: a flag of --kafka-auth plain and managed; expected none with --kafka-auth "
        "none; remedy: --kafka-auth plain, or leave it out",
    ),
    (["--kafka-auth=plain"], "--kafka-username: not given; --kafka-auth plain needs it"),
    (
        ["--kafka-auth=plain", "--kafka-username=ann"],
        "--kafka-password-file: not given; --kafka-auth plain needs it",
    ),
    (
        ["--kafka-auth=scram"],
        "argument --kafka-auth: invalid choice: 'scram' (choose from 'none', 'plain', 'managed')",
    ),
]


@pytest.mark.parametrize(("flags", "said"), WRONG)
def test_flags_that_do_not_go_together_end_with_code_2_and_one_line(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        sources(["create", "--source=kafka", *flags])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"twinstream create: {said} (see --help)\n"
    for way in (["--source=kafka"], ["--source=replay", "--sink=kafka", "--sink-topic=t"]):
        with pytest.raises(SystemExit) as ended:
            jobs(["run", "product_activity_windows", *way, *flags])
        assert ended.value.code == 2
        assert capsys.readouterr().err == f"product_activity_windows: {said} (see --help)\n"


def test_every_flag_has_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWINSTREAM_KAFKA_AUTH", "plain")
    monkeypatch.setenv("TWINSTREAM_KAFKA_USERNAME", "ann")
    monkeypatch.setenv("TWINSTREAM_KAFKA_PASSWORD_FILE", "/no/such/file")
    assert sources(["create", "--source=kafka"]) == 1
    assert capsys.readouterr().err == (
        "twinstream create: --kafka-password-file /no/such/file: No such file or directory; "
        "expected a readable file; remedy: another path, or chmod\n"
    )


def options(folder: Path, **others: str) -> KafkaOptions:
    known = {"kafka_auth": "plain", "kafka_username": "ann", "kafka_password_file": str(folder / "password")}
    return KafkaOptions(**known | others)  # type: ignore[arg-type]


def test_what_java_is_told_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "password").write_text('a"b\\c\n')
    assert kafka_login.java_properties(options(tmp_path)) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": (
            "org.apache.kafka.common.security.plain.PlainLoginModule required "
            'username="ann" password="a\\"b\\\\c";'
        ),
    }


def test_what_java_is_told_of_google_and_a_private_authority(tmp_path: Path) -> None:
    certificate = Authority("ours").pem
    (tmp_path / "ca.pem").write_bytes(certificate)
    told = kafka_login.java_properties(
        options(tmp_path, kafka_auth="managed", kafka_tls_ca=str(tmp_path / "ca.pem"))
    )
    assert told == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.jaas.config": ("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"),
        "sasl.login.callback.handler.class": "com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": certificate.decode(),
    }


def test_nothing_is_told_without_a_login(tmp_path: Path) -> None:
    assert kafka_login.java_properties(options(tmp_path, kafka_auth="none")) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 lines; expected the password alone on one; remedy: a file with that line"),
        (b"\r\n", "0 lines; expected the password alone on one; remedy: a file with that line"),
        (b"user\npass\n", "2 lines; expected the password alone on one; remedy: a file with that line"),
        (b"\xff", "no text; expected a readable file; remedy: another path, or chmod"),
    ],
)
def test_an_unfit_password_file_is_one_line_without_its_content(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(SourceError) as raised:
        kafka_login.password(options(tmp_path))
    assert str(raised.value) == f"--kafka-password-file {tmp_path}/password: {said}"


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_an_unfit_authority_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(content)
    with pytest.raises(
        SourceError, match=f"^--kafka-tls-ca {file}: .*; expected certificates in PEM form; rem"
    ):
        kafka_login.authorities(options(tmp_path, kafka_tls_ca=str(file)))


def test_the_remedy_of_another_command_has_the_login_but_no_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    assert kafka_login.given(options(tmp_path)) == (
        f"--kafka-auth plain --kafka-username ann --kafka-password-file {tmp_path}/password"
    )
    assert kafka_login.given(options(tmp_path, kafka_auth="none")) == ""
