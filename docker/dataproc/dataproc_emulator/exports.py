"""The environment variables that lead the unmodified gcloud to a running emulator and nowhere else.

They work together with the Pub/Sub Lite emulator's exports, in either order: that emulator's proxy forwards
what is meant for this address, it accepts any token, and its exports leave this emulator's token to gcloud.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from dataproc_emulator.files import Files, prepare_client

_OVERRIDES = "CLOUDSDK_API_ENDPOINT_OVERRIDES"
_AT_THE_ROOT = ("CLOUDRESOURCEMANAGER", "DATAPROC", "IAM", "MANAGEDKAFKA", "SERVICEUSAGE")
_REMEDY = (
    "remedy: docker compose --profile dataproc exec -T dataproc cat /var/lib/twinstream/dataproc/token | "
    "python -m dataproc_emulator env --address HOST:PORT --token-file -"
)


def environment(files: Files, address: str, existing: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the emulator at ``address`` (host:port), given the ``existing`` ones."""
    project = existing.get("CLOUDSDK_CORE_PROJECT", "")
    return {
        "DATAPROC_EMULATOR_HOST": address,
        **{f"{_OVERRIDES}_{name}": f"http://{address}/" for name in _AT_THE_ROOT},
        f"{_OVERRIDES}_COMPUTE": f"http://{address}/compute/v1/",
        f"{_OVERRIDES}_STORAGE": f"http://{address}/storage/v1/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(files.token),
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_CONFIG": str(files.gcloud),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        # Some gcloud commands refuse a number, which the Pub/Sub Lite emulator's exports may have set.
        "CLOUDSDK_CORE_PROJECT": "local-project" if project.isdigit() else project or "local-project",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
    }


def running(directory: Path) -> tuple[Files, str]:
    """Return the files and address of the emulator that runs in ``directory``.

    Raise ConnectionError, which says how to start one, if none answers.
    """
    files = Files(directory.resolve())
    remedy = f"start one: python -m dataproc_emulator serve --directory {directory}"
    try:
        address = str(json.loads(files.ready.read_bytes())["address"])
    except (OSError, ValueError, KeyError):
        raise ConnectionError(f"no emulator has run over {directory}; {remedy}") from None
    _connect(address, remedy)
    return files, address


def elsewhere(directory: Path, address: str, token: str = "") -> Files:
    """Make the files with which gcloud reaches an emulator in a container, in ``directory``; return them.

    ``token`` is that emulator's; without it, the one already in ``directory`` is used. Raise ConnectionError
    if no emulator answers at ``address`` (host:port), or if it refuses the token.
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
    """Return export lines for a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
