"""The Compute Engine interface as far as ``gcloud compute networks subnets`` needs it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from dataproc_emulator.subnetworks import DEFAULT, Subnetworks
from dataproc_emulator.times import stamp
from dataproc_emulator.web import Request, Routes

_REGION = "/compute/v1/projects/{project}/regions/{region}"
_SUBNETWORK = f"{_REGION}/subnetworks/{{subnetwork}}"

Resource = dict[str, Any]


class ComputeApi:
    """Answers for all projects; every change is done at once."""

    def __init__(self, subnetworks: Subnetworks) -> None:
        self._subnetworks = subnetworks

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", f"{_REGION}/subnetworks", self._list)
        routes.add("GET", _SUBNETWORK, self._get)
        routes.add("POST", f"{_SUBNETWORK}/setPrivateIpGoogleAccess", self._set_private_access)
        for method, path in (("GET", "{operation}"), ("POST", "{operation}/wait")):
            routes.add(method, f"{_REGION}/operations/{path}", self._operation)

    def _list(self, request: Request, project: str, region: str) -> Resource:
        return {"kind": "compute#subnetworkList", "items": [self._get(request, project, region, DEFAULT)]}

    def _get(self, request: Request, project: str, region: str, name: str) -> Resource:
        here = _link(request, project)
        return {
            "kind": "compute#subnetwork",
            "name": name,
            "network": f"{here}/global/networks/default",
            "region": f"{here}/regions/{region}",
            "selfLink": f"{here}/regions/{region}/subnetworks/{name}",
            "ipCidrRange": "10.128.0.0/20",
            "privateIpGoogleAccess": self._subnetworks.private_access(project, region, name),
        }

    def _set_private_access(self, request: Request, project: str, region: str, name: str) -> Resource:
        wanted = bool(request.json.get("privateIpGoogleAccess", False))
        self._subnetworks.set_private_access(project, region, name, wanted)
        target = f"{_link(request, project)}/regions/{region}/subnetworks/{name}"
        return {
            **self._operation(request, project, region, f"operation-{uuid4()}"),
            "operationType": "setPrivateIpGoogleAccess",
            "targetLink": target,
        }

    def _operation(self, request: Request, project: str, region: str, operation: str) -> Resource:
        here = f"{_link(request, project)}/regions/{region}"
        return {
            "kind": "compute#operation",
            "id": "1",
            "name": operation,
            "status": "DONE",
            "progress": 100,
            "endTime": stamp(),
            "region": here,
            "selfLink": f"{here}/operations/{operation}",
        }


def _link(request: Request, project: str) -> str:
    return f"http://{request.headers['host']}/compute/v1/projects/{project}"
