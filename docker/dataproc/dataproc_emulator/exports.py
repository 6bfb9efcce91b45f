"""The environment that makes gcloud, unmodified, reach a running emulator and nothing else.

It goes together with the Pub/Sub Lite emulator's exports, whichever comes first: that one's proxy passes on
what is meant for this address, takes any token, and leaves this one's to gcloud.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from dataproc_emulator.files import Files, prepare_client

_REMEDY = (
    "remedy: docker compose --profile dataproc exec -T dataproc cat /var/lib/twinstream/dataproc/token | "
    "python -m dataproc_emulator env --address HOST:PORT --token-file -"
)


def environment(files: Files, address: str, existing: Mapping[str, str]) -> dict[str, str]:
    """The variables for the emulator at ``address`` (host:port), given the ``existing`` ones."""
    project = existing.get("CLOUDSDK_CORE_PROJECT", "")
    return {
        "DATAPROC_EMULATOR_HOST": address,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC": f"http://{address}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE": f"http://{address}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"http://{address}/storage/v1/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(files.token),
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_CONFIG": str(files.gcloud),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        # Some commands of gcloud refuse a number, which the Pub/Sub Lite emulator's exports may have set.
        "CLOUDSDK_CORE_PROJECT": "local-project" if project.isdigit() else project or "local-project",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
    }


def running(directory: Path) -> tuple[Files, str]:
    """The emulator that runs over ``directory``; raises ConnectionError saying how to start one."""
    files = Files(directory.resolve())
    remedy = f"start one: python -m dataproc_emulator serve --directory {directory}"
    try:
        address = str(json.loads(files.ready.read_bytes())["address"])
    except (OSError, ValueError, KeyError):
        raise ConnectionError(f"no emulator has run over {directory}; {remedy}") from None
    _connect(address, remedy)
    return files, address


def elsewhere(directory: Path, address: str, token: str = "") -> Files:
    """What gcloud needs on this machine, made in ``directory``, to reach an emulator in a container.

    The ``token`` is that emulator's, or else the one that ``directory`` has from an earlier time. Raises
    ConnectionError where none answers at ``address`` (host:port), or not to this token.
    """
    _connect(address, "docker compose --profile dataproc up --wait dataproc")
    files = prepare_client(directory, token)
    asked = Request(f"http://{address}/storage/v1/b")
    asked.add_header("Authorization", f"Bearer {files.token.read_text()}")
    try:
        build_opener(ProxyHandler({})).open(asked, timeout=5).close()
    except OSError as error:
        raise ConnectionError(f"the emulator at {address} refuses ({error}); {_REMEDY}") from None
    return files


def _connect(address: str, remedy: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no emulator answers at {address} ({error}); {remedy}") from None


def shell(variables: Mapping[str, str]) -> str:
    """Export lines for a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
