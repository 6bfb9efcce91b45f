"""IAM policies of projects: which account has which role."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from itertools import chain
from threading import Lock
from typing import Any

from dataproc_emulator.accounts import Accounts
from dataproc_emulator.errors import ApiError

_ROLE = re.compile(r"(projects/[^/]+/|organizations/[^/]+/)?roles/[A-Za-z0-9_.]+")
_SERVICE_ACCOUNT = "serviceAccount:"

Resource = dict[str, Any]


class Policies:
    """The policy of each project, empty at first; ``changed`` is called after a change."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = Lock()
        self._bindings: dict[str, list[Resource]] = {}
        self.changed: Callable[[], None] = lambda: None

    def get(self, project: str) -> Resource:
        """Return the project's policy."""
        with self._lock:
            return self._policy(project)

    def replace(self, project: str, wanted: Resource) -> Resource:
        """Replace the project's policy and return it.

        Raise ApiError if it has changed since it was read, and for roles and accounts that do not exist.
        """
        bindings = [binding for binding in wanted.get("bindings", ()) if binding.get("members")]
        for binding in bindings:
            self._check(str(binding.get("role", "")), binding["members"])
        with self._lock:
            if wanted.get("etag") not in (None, "", self._policy(project)["etag"]):
                raise ApiError(
                    "ABORTED",
                    "There were concurrent policy changes. Please retry the whole read-modify-write.",
                )
            self._bindings[project] = copy.deepcopy(bindings)
            policy = self._policy(project)
        self.changed()
        return policy

    def accounts_with(self, project: str, roles: Iterable[str]) -> set[str]:
        """Return the service accounts that have one of the roles in a project, unconditionally."""
        with self._lock:
            return _holders(self._bindings.get(project, ()), set(roles))

    def accounts_with_any(self, roles: Iterable[str]) -> set[str]:
        """Return the service accounts that have one of the roles in whatever project, unconditionally."""
        with self._lock:
            return _holders(chain.from_iterable(self._bindings.values()), set(roles))

    def _check(self, role: str, members: Iterable[str]) -> None:
        if not _ROLE.fullmatch(role):
            raise ApiError("INVALID_ARGUMENT", f"Role {role} is not supported for this resource.")
        for member in members:
            email = member.removeprefix(_SERVICE_ACCOUNT)
            if member.startswith(_SERVICE_ACCOUNT) and not self._accounts.exists(email):
                raise ApiError("INVALID_ARGUMENT", f"Service account {email} does not exist.")

    def _policy(self, project: str) -> Resource:
        bindings = copy.deepcopy(self._bindings.get(project, []))
        # Of hexadecimal digits: gcloud sends bytes back in Base64's other alphabet.
        digest = hashlib.sha256(json.dumps(bindings).encode()).hexdigest()[:12]
        return {"version": 1, "etag": b64encode(digest.encode()).decode(), "bindings": bindings}


def _holders(bindings: Iterable[Resource], roles: set[str]) -> set[str]:
    return {
        member.removeprefix(_SERVICE_ACCOUNT)
        for binding in bindings
        if binding["role"] in roles and not binding.get("condition")
        for member in binding["members"]
        if member.startswith(_SERVICE_ACCOUNT)
    }
