"""The contents of the emulator's directory: its own certificate authority, and what clients trust.

They are made at the first start and kept, so that a client configured once stays configured. Private keys
never leave the directory, and only the owner may read its files.
"""

from __future__ import annotations

import fcntl
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from warnings import catch_warnings, simplefilter

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A trust store holds only public certificates, but Java requires a password all the same.
TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105
# The wildcard covers one label, as in us-central1-pubsublite; gcloud also calls cloudresourcemanager.
_NAMES = ("*.googleapis.com", "localhost", "pubsublite")
_DAYS = 3650
# Not a secret, because the emulator asks for none. It also marks a directory that an emulator has made.
_TOKEN = b"local-emulator-token"


@dataclass(frozen=True, slots=True)
class Files:
    """The paths in a directory."""

    directory: Path

    @property
    def ca(self) -> Path:
        """Return the path of the local authority's certificate, PEM."""
        return self.directory / "ca.pem"

    @property
    def bundle(self) -> Path:
        """Return the path of the local and the system's authorities, PEM.

        It is for variables that replace everything a client trusts.
        """
        return self.directory / "ca-bundle.pem"

    @property
    def truststore(self) -> Path:
        """Return the path of the bundle as PKCS12, for Java."""
        return self.directory / "truststore.p12"

    @property
    def certificate(self) -> Path:
        """Return the path of the server's certificate, PEM."""
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        """Return the path of the server's private key, PEM."""
        return self.directory / "server.key"

    @property
    def credentials(self) -> Path:
        """Return the path of a service account whose tokens this emulator issues, JSON."""
        return self.directory / "credentials.json"

    @property
    def token(self) -> Path:
        """Return the path of a token for gcloud, which reads its token from a file."""
        return self.directory / "token"

    @property
    def ready(self) -> Path:
        """Return the path of the line that a running emulator printed, JSON."""
        return self.directory / "emulator.json"


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold the directory for one emulator alone; the lock goes away with the process, however that ends.

    Raise FileExistsError while another emulator holds it.
    """
    with _own(directory).token.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(f"an emulator runs over {directory}; remedy: another directory") from None
        yield


def _own(directory: Path) -> Files:
    """Make the directory, or take over an existing one.

    Raise FileExistsError if one of the files to keep there exists but was not made by an emulator.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = Files(directory.resolve())
    if not files.token.exists():
        wanted = (files.ca, files.bundle, files.truststore, files.certificate, files.key, files.credentials)
        for path in (*wanted, files.ready):
            if path.exists():
                raise FileExistsError(_foreign(path))
        _write(files.token, _TOKEN)
    elif files.token.read_bytes() != _TOKEN:
        raise FileExistsError(_foreign(files.token))
    return files


def _foreign(path: Path) -> str:
    return (
        f"{path} is not a Pub/Sub Lite emulator's; expected nothing there, or what an emulator has made; "
        "remedy: another --directory"
    )


def prepare(directory: Path, host: str) -> Files:
    """Make what is missing in ``directory``, with a server certificate that also names ``host``."""
    files = _own(directory)
    if not (files.ca.exists() and files.certificate.exists() and _names(files.certificate, host)):
        _make_certificates(files, host)
    return files


def announce(files: Files, ready: dict[str, str]) -> None:
    """Tell clients where the emulator answers; ``ready`` is what ``serve`` prints."""
    _write_credentials(files, f"http://{ready['address']}/token")
    _write(files.ready, json.dumps(ready).encode() + b"\n")


def _names(certificate: Path, host: str) -> bool:
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return host in names.get_values_for_type(x509.DNSName) and loaded.not_valid_after_utc > datetime.now(UTC)


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically, because clients keep reading while an emulator restarts."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _make_certificates(files: Files, host: str) -> None:
    authority = "Pub/Sub Lite emulator, local"
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _builder(authority, authority, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName(name) for name in dict.fromkeys((*_NAMES, host))]
    certificate = (
        _builder("pubsublite.googleapis.com", authority, key)
        .add_extension(
            x509.SubjectAlternativeName([*names, x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(files.key, _private(key))
    _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    _write(files.ca, ca.public_bytes(serialization.Encoding.PEM))
    _write_trust(files, ca)


def _write_trust(files: Files, ca: x509.Certificate) -> None:
    """Write the local authority together with the system's, so that other traffic is verified as before."""
    system = ssl.create_default_context().get_ca_certs(binary_form=True)
    _write(files.bundle, files.ca.read_bytes() + "".join(map(ssl.DER_cert_to_PEM_cert, system)).encode())
    trusted = [ca, *_readable(system)]
    entries = [pkcs12.PKCS12Certificate(one, f"ca-{index}".encode()) for index, one in enumerate(trusted)]
    encryption = serialization.BestAvailableEncryption(TRUSTSTORE_PASSWORD.encode())
    _write(files.truststore, pkcs12.serialize_java_truststore(entries, encryption))


def _readable(system: list[bytes]) -> Iterator[x509.Certificate]:
    """Yield the certificates that ``cryptography`` accepts: some old authorities violate RFC 5280."""
    for certificate in system:
        with suppress(ValueError, CryptographyDeprecationWarning), catch_warnings():
            simplefilter("error", CryptographyDeprecationWarning)
            yield x509.load_der_x509_certificate(certificate)


def _write_credentials(files: Files, token_uri: str) -> None:
    """Write a service account key in Google's format, keeping ``private_key``, which is slow to make."""
    try:
        account = json.loads(files.credentials.read_bytes())
    except (OSError, ValueError):
        account = {
            "type": "service_account",
            "project_id": "emulator",
            "private_key_id": "local",
            "private_key": _private(rsa.generate_private_key(public_exponent=65537, key_size=2048)).decode(),
            "client_email": "emulator@emulator.iam.gserviceaccount.com",
            "client_id": "1",
        }
    _write(files.credentials, json.dumps({**account, "token_uri": token_uri}, indent=2).encode())
