"""The Resource Manager interface: projects, every one of which exists, and their IAM policies."""

from __future__ import annotations

from typing import Any

from dataproc_emulator.accounts import PROJECT_NUMBER
from dataproc_emulator.policies import Policies
from dataproc_emulator.times import stamp
from dataproc_emulator.web import Request, Routes

_PROJECT = "/v1/projects/{project}"


class ProjectsApi:
    """Answers for all projects."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._since = stamp()

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("POST", f"{_PROJECT}:getIamPolicy", lambda _, project: self._policies.get(project))
        routes.add("POST", f"{_PROJECT}:setIamPolicy", self._set_policy)
        routes.add("GET", _PROJECT, self._get)

    def _get(self, _: Request, project: str) -> dict[str, Any]:
        return {
            "projectId": project,
            "projectNumber": PROJECT_NUMBER,
            "name": project,
            "lifecycleState": "ACTIVE",
            "createTime": self._since,
        }

    def _set_policy(self, request: Request, project: str) -> dict[str, Any]:
        return self._policies.replace(project, request.json.get("policy", {}))
