"""The IAM interface: service accounts and their keys."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from dataproc_emulator.accounts import Accounts
from dataproc_emulator.times import stamp
from dataproc_emulator.web import Request, Routes

_ACCOUNTS = "/v1/projects/{project}/serviceAccounts"
_ACCOUNT = f"{_ACCOUNTS}/{{email}}"

Resource = dict[str, Any]


class IamApi:
    """Answers for all projects; keys lead their holders to ``token_uri``."""

    def __init__(self, accounts: Accounts, token_uri: str) -> None:
        self._accounts = accounts
        self._token_uri = token_uri

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", _ACCOUNTS, self._list)
        routes.add("POST", _ACCOUNTS, self._create)
        routes.add("GET", _ACCOUNT, lambda _, project, email: self._accounts.get(email))
        routes.add("DELETE", _ACCOUNT, self._delete)
        routes.add("POST", f"{_ACCOUNT}/keys", self._create_key)

    def _list(self, _: Request, project: str) -> Resource:
        return {"accounts": self._accounts.of_project(project)}

    def _create(self, request: Request, project: str) -> Resource:
        wanted = request.json
        return self._accounts.create(
            project, str(wanted.get("accountId", "")), wanted.get("serviceAccount", {})
        )

    def _delete(self, _: Request, project: str, email: str) -> Resource:
        self._accounts.delete(email)
        return {}

    def _create_key(self, _: Request, project: str, email: str) -> Resource:
        key = self._accounts.new_key(email)
        place = self._accounts.get(email).get("projectId", project)
        return {
            "name": f"projects/{place}/serviceAccounts/{email}/keys/{key.identity}",
            "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE",
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "privateKeyData": b64encode(key.credentials(place, self._token_uri).encode()).decode(),
            "validAfterTime": stamp(),
        }
