"""The Service Usage interface as far as ``gcloud services enable`` needs it: any service can be enabled."""

from __future__ import annotations

from typing import Any

from dataproc_emulator.errors import ApiError
from dataproc_emulator.web import Request, Routes

_SERVICES = "/v1/projects/{project}/services"


class ServicesApi:
    """Remembers which services were enabled."""

    def __init__(self) -> None:
        self._enabled: dict[str, None] = {}

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", _SERVICES, self._list)
        routes.add("POST", f"{_SERVICES}:batchEnable", self._enable_all)
        routes.add("GET", f"{_SERVICES}/{{service}}", self._get)
        routes.add("POST", f"{_SERVICES}/{{service}}:enable", self._enable)

    def check(self, service: str, project: str) -> None:
        """Raise ApiError if a service was not enabled."""
        if service not in self._enabled:
            raise ApiError(
                "PERMISSION_DENIED",
                f"{service} has not been used in project {project} before or it is disabled; "
                f"remedy: gcloud services enable {service}",
            )

    def _list(self, _: Request, project: str) -> dict[str, Any]:
        return {"services": [self._resource(project, service) for service in self._enabled]}

    def _get(self, _: Request, project: str, service: str) -> dict[str, Any]:
        return self._resource(project, service)

    def _enable(self, _: Request, project: str, service: str) -> dict[str, Any]:
        self._enabled[service] = None
        return _done({"service": self._resource(project, service)})

    def _enable_all(self, request: Request, project: str) -> dict[str, Any]:
        services = [str(one) for one in request.json.get("serviceIds", ())]
        self._enabled.update(dict.fromkeys(services))
        return _done({"services": [self._resource(project, service) for service in services]})

    def _resource(self, project: str, service: str) -> dict[str, Any]:
        return {
            "name": f"projects/{project}/services/{service}",
            "parent": f"projects/{project}",
            "config": {"name": service},
            "state": "ENABLED" if service in self._enabled else "DISABLED",
        }


def _done(response: dict[str, Any]) -> dict[str, Any]:
    return {"name": "operations/noop.DONE_OPERATION", "done": True, "response": response}
