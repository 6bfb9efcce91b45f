"""The authorities that jobs trust when they reach Managed Kafka: the system's and this machine's own."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from warnings import catch_warnings, simplefilter

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.utils import CryptographyDeprecationWarning

from dataproc_emulator.authority import Authority

PASSWORD = "changeit"  # noqa: S105  (Java's own; the store holds nothing secret)


class Trust:
    """Files in ``folder``: ``ca`` is the local authority alone, ``bundle`` and ``store`` all of them."""

    def __init__(self, folder: Path, authority: Authority, others: Sequence[Path]) -> None:
        self.ca = folder / "ca.pem"
        self.bundle = folder / "bundle.pem"
        self.store = folder / "truststore.p12"
        self._authority = authority
        self._others = others

    def write(self) -> None:
        """Write the files if they are not there."""
        if self.store.exists():
            return
        authority, context = self._authority, ssl.create_default_context()
        for other in self._others:
            context.load_verify_locations(other)
        trusted = context.get_ca_certs(binary_form=True)
        self.ca.write_text(authority.pem)
        self.bundle.write_text("".join([authority.pem, *map(ssl.DER_cert_to_PEM_cert, trusted)]))
        readable = [authority.certificate, *_readable(trusted)]
        entries = [pkcs12.PKCS12Certificate(one, f"ca-{at}".encode()) for at, one in enumerate(readable)]
        encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
        self.store.write_bytes(pkcs12.serialize_java_truststore(entries, encryption))


def _readable(certificates: Iterable[bytes]) -> Iterator[x509.Certificate]:
    """Yield the certificates that ``cryptography`` accepts: some old authorities violate RFC 5280."""
    for certificate in certificates:
        with suppress(ValueError, CryptographyDeprecationWarning), catch_warnings():
            simplefilter("error", CryptographyDeprecationWarning)
            yield x509.load_der_x509_certificate(certificate)
