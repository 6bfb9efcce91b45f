"""Diagnosis of a broker's TLS, obtained from the broker itself after a client has failed.

A client says little about it: librdkafka calls every bad certificate unverified, and Java waits silently for
an answer if there is no TLS at all.
"""

from __future__ import annotations

import socket
import ssl

from sources.fault import Fault
from sources.kafka.login import authorities
from sources.kafka.options import NONE, KafkaOptions

SECONDS = 3
"""Seconds that one broker may take."""
_NO_AUTHORITY = "--kafka-tls-ca with the certificate of the authority that signed it"
_ANOTHER_NAME = "an address that the certificate names"
_REMEDIES = {
    9: "look at the clocks of broker and client",  # not yet valid
    10: "renew the broker's certificate",
    18: _NO_AUTHORITY,  # self-signed
    19: _NO_AUTHORITY,  # self-signed authority
    20: _NO_AUTHORITY,
    21: _NO_AUTHORITY,  # no chain at all
    62: _ANOTHER_NAME,
    64: _ANOTHER_NAME,  # an IP address
}
"""Remedies by OpenSSL's error code (X509_V_ERR_…)."""


def fault(options: KafkaOptions) -> Fault | None:
    """Return the first fault in the brokers' TLS, with its remedy.

    None if there is no fault, if TLS is not requested, or if no broker answers.
    """
    if options.kafka_auth == NONE:
        return None
    context = ssl.create_default_context(cadata=authorities(options))
    for server in str(options.kafka_bootstrap_servers).split(","):
        if found := _fault(server.strip(), context):
            return found
    return None


def _fault(server: str, context: ssl.SSLContext) -> Fault | None:
    host, _, port = server.rpartition(":")
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), SECONDS)
    except (OSError, ValueError):
        return None  # the client has already reported it
    try:
        with plain, context.wrap_socket(plain, server_hostname=host.strip("[]")):
            return None
    except ssl.SSLCertVerificationError as refusal:
        remedy = _REMEDIES.get(refusal.verify_code, "another certificate on the broker")
        said = str(refusal.verify_message).rstrip(".")
        return Fault(f"the certificate of {server} is refused: {said}", expected="a valid one", remedy=remedy)
    except OSError as failure:
        reason = getattr(failure, "reason", None) or failure.strerror
        return Fault(
            f"no TLS at {server} ({reason})",
            expected="a listener with SASL_SSL",
            remedy=f"the port of that listener, or --kafka-auth {NONE} where no login is wanted",
        )
