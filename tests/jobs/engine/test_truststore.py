import hashlib
import re
import ssl
import subprocess
from pathlib import Path

from jobs.engine.java import java_home
from jobs.laptop import truststore


def test_java_reads_the_certificates_that_were_written(tmp_path: Path) -> None:
    certificates = truststore.authorities()[:3]
    assert len(certificates) == 3
    store = tmp_path / "truststore.jks"
    truststore.write(store, certificates)
    listed = keytool("-list", "-keystore", str(store), "-storepass", truststore.PASSWORD)
    prints = re.findall(r"SHA-256\): ([0-9A-F:]+)", listed)
    assert sorted(prints) == sorted(colons(hashlib.sha256(der).hexdigest()) for der in certificates)


def test_authorities_are_certificates_and_each_once() -> None:
    certificates = truststore.authorities()
    assert len(certificates) == len(set(certificates))
    assert "BEGIN CERTIFICATE" in ssl.DER_cert_to_PEM_cert(certificates[0])


def keytool(*arguments: str) -> str:
    command = [str(java_home() / "bin" / "keytool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def colons(digest: str) -> str:
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2)).upper()
