"""A Java trust store of the certificate authorities that this Python trusts.

The Java that a package brings knows only the public authorities; behind a company's proxy, the machine knows
one more.
"""

import contextlib
import hashlib
import ssl
import struct
import time
from collections.abc import Iterable
from pathlib import Path

PASSWORD = "changeit"  # noqa: S105 - Java's own default: it guards against damage, and there is no secret inside


def authorities() -> list[bytes]:
    """Return the certificates (DER) that this Python trusts, in its bundle or folder, SSL_CERT_* included."""
    context = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath
    for file in Path(folder).iterdir() if folder and Path(folder).is_dir() else ():
        with contextlib.suppress(OSError):  # SSLError too: not every file there is a certificate
            context.load_verify_locations(cafile=file)
    return context.get_ca_certs(binary_form=True)


def write(path: Path, certificates: Iterable[bytes]) -> None:
    """Write the certificates (DER) as a JKS file, which every Java since 1.2 reads."""
    now = int(time.time() * 1000)
    entries = [
        struct.pack(">I", 2) + _utf(f"authority-{number}") + struct.pack(">Q", now) + _utf("X.509")
        + struct.pack(">I", len(certificate)) + certificate
        for number, certificate in enumerate(certificates)
    ]  # fmt: skip
    body = struct.pack(">III", 0xFEEDFEED, 2, len(entries)) + b"".join(entries)
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False)
    path.write_bytes(body + seal.digest())


def _utf(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")
