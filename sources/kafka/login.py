"""The login to a Kafka broker: the properties that the Java clients get from its flags.

`plain` is a user and a password; `managed` is Managed Service for Apache Kafka, with Google's login handler
and the application default credentials. Both use TLS, whose checks are never turned off.
"""

from __future__ import annotations

import shlex
import ssl
from pathlib import Path

from sources.base import SourceError
from sources.kafka.options import MANAGED, NONE, KafkaOptions

ROLE = "roles/managedkafka.client"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
HANDLER = "com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler"
"""A class in the jar set managed-kafka."""
_LOGIN_MODULE = "org.apache.kafka.common.security.{} required"


def jar_sets(options: KafkaOptions) -> tuple[str, ...]:
    """Return the jar sets of Spark's connector and of the login."""
    return ("kafka", "managed-kafka") if options.kafka_auth == MANAGED else ("kafka",)


def java_properties(options: KafkaOptions) -> dict[str, str]:
    """Return the properties with which a Java client logs in, including the password.

    They hold the files' content, because executors on other machines do not have the files.
    Raise SourceError if a file is unusable.
    """
    if options.kafka_auth == NONE:
        return {}
    properties = {"security.protocol": "SASL_SSL", **_sasl(options)}
    if certificates := authorities(options):
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": certificates}
    return properties


def password(options: KafkaOptions) -> str:
    """Return the content of `--kafka-password-file` without the end of its line.

    Raise SourceError if the file is unusable.
    """
    content = _read("--kafka-password-file", options.kafka_password_file or "").rstrip("\r\n")
    if not content or "\n" in content:
        raise SourceError(
            f"--kafka-password-file {options.kafka_password_file}: {len(content.splitlines())} lines",
            expected="the password alone on one",
            remedy="a file with that line",
        )
    return content


def authorities(options: KafkaOptions) -> str | None:
    """Return the certificates in `--kafka-tls-ca`, None without it; raise SourceError if it is unusable."""
    if not options.kafka_tls_ca:
        return None
    content = _read("--kafka-tls-ca", options.kafka_tls_ca)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError) as error:
        raise SourceError(
            f"--kafka-tls-ca {options.kafka_tls_ca}: {error}",
            expected="certificates in PEM form",
            remedy="the file of the authority that signed the broker's certificate",
        ) from None
    return content


def refused(options: KafkaOptions, reason: object) -> SourceError:
    """Return the error for a broker that refuses this user's login."""
    if options.kafka_auth == MANAGED:
        remedy = f"grant {ROLE} to the account of the application default credentials"
    else:
        remedy = f"look at --kafka-username {options.kafka_username} and at {options.kafka_password_file}"
    return SourceError(
        f"SASL login refused by {options.kafka_bootstrap_servers}: {reason}",
        expected="an account that the broker knows",
        remedy=remedy,
    )


def no_credentials(reason: object) -> SourceError:
    """Return the error for a login to which Google gives no token."""
    return SourceError(
        f"--kafka-auth managed: {reason}",
        expected="application default credentials that give a token",
        remedy=("GOOGLE_APPLICATION_CREDENTIALS with a service account's file, or a machine with an account"),
    )


def files(options: KafkaOptions) -> dict[str, str]:
    """Return the files that the login reads, by flag."""
    given = options.login_flags()
    return {flag: given[flag] for flag in ("--kafka-password-file", "--kafka-tls-ca") if flag in given}


def given(options: KafkaOptions) -> str:
    """Return the flags of the login as another command takes them; empty without a login."""
    if options.kafka_auth == NONE:
        return ""
    words = ["--kafka-auth", options.kafka_auth]
    for pair in options.login_flags().items():
        words += pair
    return shlex.join(words)


def _sasl(options: KafkaOptions) -> dict[str, str]:
    if options.kafka_auth == MANAGED:
        return {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.jaas.config": f"{_LOGIN_MODULE.format('oauthbearer.OAuthBearerLoginModule')};",
            "sasl.login.callback.handler.class": HANDLER,
        }
    user = f"username={_quoted(options.kafka_username or '')} password={_quoted(password(options))}"
    return {
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f"{_LOGIN_MODULE.format('plain.PlainLoginModule')} {user};",
    }


def _quoted(text: str) -> str:
    """Quote the text so that JAAS, which uses Java's `StreamTokenizer`, reads it back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read(flag: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise SourceError(
            f"{flag} {path}: {reason}",
            expected="a readable file",
            remedy="another path, or chmod",
        ) from None
