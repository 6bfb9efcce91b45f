"""The environment variables that lead Google's unmodified clients to a running emulator.

Each client is redirected by a variable that it alone reads, so that other traffic from the same shell is not
affected:

* ``grpc_proxy``: gRPC in Python and C++, gcloud's publish and subscribe; ``no_grpc_proxy`` exempts loopback.
* ``CLOUDSDK_PROXY_*``: gcloud's REST calls.
* ``JAVA_TOOL_OPTIONS``: every JVM started from the shell, including Spark's.

``https_proxy`` is deliberately not set: it would send every program in the shell through the emulator. Go's
clients read nothing else, so they are led here only where that is asked for (:func:`also_for`). The proxy
forwards traffic for other public hosts, so what does come its way still arrives. The variables that replace a
client's trusted authorities name a bundle of the system's authorities and the local one.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path

from pubsublite_emulator.files import TRUSTSTORE_PASSWORD, Files

_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_OPTION = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")


def environment(files: Files, address: str, existing: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the emulator at ``address`` (host:port), given the ``existing`` ones."""
    host, port = address.rsplit(":", 1)
    java = {
        "https.proxyHost": host,
        "https.proxyPort": port,
        "javax.net.ssl.trustStore": str(files.truststore),
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": TRUSTSTORE_PASSWORD,
    }
    kept = [
        option
        for option in _java_options(existing.get("JAVA_TOOL_OPTIONS", ""))
        if _QUOTED.sub(r"\1\2", option).removeprefix("-D").partition("=")[0] not in java
    ]
    ours = [shlex.quote(f"-D{name}={value}") for name, value in java.items()]
    loopback = "localhost,127.0.0.1"
    return {
        "PUBSUBLITE_EMULATOR_HOST": address,
        "LITE_PROXY": f"http://{address}",
        "LITE_CA": str(files.ca),
        "LITE_TRUSTSTORE": str(files.truststore),
        "LITE_TRUSTSTORE_PASSWORD": TRUSTSTORE_PASSWORD,
        "LITE_CREDENTIALS": str(files.credentials),
        "GOOGLE_APPLICATION_CREDENTIALS": str(files.credentials),
        "grpc_proxy": f"http://{address}",
        "no_grpc_proxy": loopback,
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(files.bundle),
        "REQUESTS_CA_BUNDLE": str(files.bundle),
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(files.bundle),
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": host,
        "CLOUDSDK_PROXY_PORT": port,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": _token(files, existing),
        "CLOUDSDK_CORE_PROJECT": existing.get("CLOUDSDK_CORE_PROJECT", "1"),
        "JAVA_TOOL_OPTIONS": " ".join([*kept, *ours]),
    }


def also_for(client: str, files: Files, address: str) -> dict[str, str]:
    """Return what ``client``, "go" or none, needs besides :func:`environment`; other programs read it too.

    Go's HTTP and gRPC read these alone: net/http ProxyFromEnvironment, which asks no proxy for localhost, and
    crypto/x509 root_unix.go.
    """
    return {"HTTPS_PROXY": f"http://{address}", "SSL_CERT_FILE": str(files.bundle)} if client == "go" else {}


def _java_options(text: str) -> list[str]:
    """Return the options in a JAVA_TOOL_OPTIONS, each as it is written, quotes included.

    Java splits at white space outside quotes, accepts both kinds of quotes anywhere, and has no backslash
    escapes (hotspot's Arguments::parse_options_buffer), so it can read what ``shlex`` quotes. Raise
    ValueError for an unmatched quote, with which no Java starts.
    """
    if re.search("[\"']", _QUOTED.sub("", text)):
        raise ValueError(f"JAVA_TOOL_OPTIONS has a quote without its other half: {text}; remedy: unset it")
    return [match[0] for match in _OPTION.finditer(text)]


def _token(files: Files, existing: Mapping[str, str]) -> str:
    """Return the file with gcloud's token: a local Dataproc's, which takes no other, or otherwise our own."""
    kept = existing.get("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "")
    return kept if "DATAPROC_EMULATOR_HOST" in existing and Path(kept).is_file() else str(files.token)


def running(directory: Path) -> tuple[Files, str]:
    """Return the files and address of the emulator that uses ``directory``.

    Raise ConnectionError, which says how to start one, if none answers.
    """
    files = Files(directory.resolve())
    remedy = f"start one: python -m pubsublite_emulator serve --directory {directory}"
    try:
        address = str(json.loads(files.ready.read_bytes())["address"])
    except (OSError, ValueError, KeyError):
        raise ConnectionError(f"no emulator has run over {directory}; {remedy}") from None
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise ConnectionError(f"no emulator answers at {address} ({error}); {remedy}") from None
    return files, address


def shell(variables: Mapping[str, str]) -> str:
    """Return export lines for a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
