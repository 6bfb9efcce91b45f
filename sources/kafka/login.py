"""The login to a Kafka broker: its flags, and the properties that the Java clients get from them.

`plain` is a user and a password; `managed` is Managed Service for Apache Kafka, with Google's login handler
and the application default credentials. Both use TLS, whose checks are never turned off.
"""

from __future__ import annotations

import shlex
import ssl
from argparse import Namespace, _ArgumentGroup
from pathlib import Path

from sources.base import SourceError
from sources.flags import add_flag

NONE, PLAIN, MANAGED = "none", "plain", "managed"
ROLE = "roles/managedkafka.client"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
HANDLER = "com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler"
"""A class in the jar set managed-kafka."""
_LOGIN_MODULE = "org.apache.kafka.common.security.{} required"
_TAKEN = {
    "--kafka-username": (PLAIN,),
    "--kafka-password-file": (PLAIN,),
    "--kafka-tls-ca": (PLAIN, MANAGED),
}


def add_arguments(group: _ArgumentGroup) -> None:
    """Add `--kafka-auth` and the flags that its values take."""
    add_flag(
        group,
        "--kafka-auth",
        help="login: plain is SASL_SSL with user and password; managed is Google's Managed Service for "
        "Apache Kafka with the application default credentials",
        default=NONE,
        choices=(NONE, PLAIN, MANAGED),
    )
    add_flag(group, "--kafka-username", help="user name, for --kafka-auth plain")
    add_flag(
        group, "--kafka-password-file", help="file that contains only the password, for --kafka-auth plain"
    )
    add_flag(
        group,
        "--kafka-tls-ca",
        help="PEM file of the certificate authorities to trust (default: the public ones)",
    )


def flag_fault(options: Namespace) -> str | None:
    """Return which flag the chosen `--kafka-auth` does not take or lacks, with the remedy; None if none."""
    for flag, takers in _TAKEN.items():
        value = _value(options, flag)
        if value and options.kafka_auth not in takers:
            return (
                f"{flag} {value}: a flag of --kafka-auth {' and '.join(takers)}; expected none with "
                f"--kafka-auth {options.kafka_auth}; remedy: --kafka-auth {takers[0]}, or leave it out"
            )
        if not value and takers == (options.kafka_auth,):
            return f"{flag}: not given; --kafka-auth {options.kafka_auth} needs it"
    return None


def jar_sets(options: Namespace) -> tuple[str, ...]:
    """Return the jar sets of Spark's connector and of the login."""
    return ("kafka", "managed-kafka") if options.kafka_auth == MANAGED else ("kafka",)


def java_properties(options: Namespace) -> dict[str, str]:
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


def password(options: Namespace) -> str:
    """Return the content of `--kafka-password-file` without the end of its line.

    Raise SourceError if the file is unusable.
    """
    content = _read("--kafka-password-file", options.kafka_password_file).rstrip("\r\n")
    if not content or "\n" in content:
        raise SourceError(
            f"--kafka-password-file {options.kafka_password_file}: {len(content.splitlines())} lines",
            expected="the password alone on one",
            remedy="a file with that line",
        )
    return content


def authorities(options: Namespace) -> str | None:
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


def refused(options: Namespace, reason: object) -> SourceError:
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


def files(options: Namespace) -> dict[str, str]:
    """Return the files that the login reads, by flag."""
    flags = ("--kafka-password-file", "--kafka-tls-ca")
    return {flag: path for flag in flags if (path := _value(options, flag))}


def given(options: Namespace) -> str:
    """Return the flags of the login as another command takes them; empty without a login."""
    if options.kafka_auth == NONE:
        return ""
    words = ["--kafka-auth", options.kafka_auth]
    for flag in _TAKEN:
        words += [flag, value] if (value := _value(options, flag)) else []
    return shlex.join(words)


def _sasl(options: Namespace) -> dict[str, str]:
    if options.kafka_auth == MANAGED:
        return {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.jaas.config": f"{_LOGIN_MODULE.format('oauthbearer.OAuthBearerLoginModule')};",
            "sasl.login.callback.handler.class": HANDLER,
        }
    user = f"username={_quoted(options.kafka_username)} password={_quoted(password(options))}"
    return {
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f"{_LOGIN_MODULE.format('plain.PlainLoginModule')} {user};",
    }


def _quoted(text: str) -> str:
    """Quote the text so that JAAS, which uses Java's `StreamTokenizer`, reads it back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value(options: Namespace, flag: str) -> str | None:
    value: str | None = getattr(options, flag.removeprefix("--").replace("-", "_"))
    return value


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
