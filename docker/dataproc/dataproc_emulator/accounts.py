"""Service accounts: those that gcloud creates, and Compute Engine's own, which machines have by default."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dataproc_emulator.errors import ApiError, not_found

PROJECT_NUMBER = "123456"
"""Every project's."""
COMPUTE = f"{PROJECT_NUMBER}-compute@developer.gserviceaccount.com"
_ID = re.compile(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])")

Resource = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """A key of an account: ``credentials`` is the file that Google's libraries read, JSON."""

    identity: str
    account: str
    private: rsa.RSAPrivateKey = field(repr=False)

    def credentials(self, project: str, token_uri: str) -> str:
        """Return the file for an account of ``project``, whose tokens come from ``token_uri``."""
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": project,
                "private_key_id": self.identity,
                "private_key": pem.decode(),
                "client_email": self.account,
                "client_id": PROJECT_NUMBER,
                "token_uri": token_uri,
            },
            indent=2,
        )


class Accounts:
    """All accounts, by e-mail address, and their keys."""

    def __init__(self, folder: Path, machine_token_uri: str) -> None:
        self._folder = folder
        self._token_uri = machine_token_uri
        self._lock = Lock()
        self._all: dict[str, Resource] = {}
        self._keys: dict[str, list[Key]] = {}

    def create(self, project: str, identity: str, wanted: Resource) -> Resource:
        """Add an account; raise ApiError if its id is invalid or taken."""
        if not _ID.fullmatch(identity):
            raise ApiError("INVALID_ARGUMENT", f"Invalid account id '{identity}'; expected {_ID.pattern}")
        email = f"{identity}@{project}.iam.gserviceaccount.com"
        account: Resource = {
            **{name: wanted[name] for name in ("displayName", "description") if name in wanted},
            "name": f"projects/{project}/serviceAccounts/{email}",
            "projectId": project,
            "uniqueId": str(uuid4().int)[:21],
            "email": email,
            "oauth2ClientId": str(uuid4().int)[:21],
        }
        with self._lock:
            if email in self._all:
                raise ApiError(
                    "ALREADY_EXISTS", f"Service account {identity} already exists within project {project}."
                )
            self._all[email] = account
        return account

    def get(self, email: str) -> Resource:
        """Return the account; raise ApiError if it does not exist."""
        if email == COMPUTE:
            return {"email": COMPUTE, "displayName": "Compute Engine default service account"}
        try:
            return self._all[email]
        except KeyError:
            raise not_found("Service account", email) from None

    def of_project(self, project: str) -> list[Resource]:
        """Return the project's accounts, Compute Engine's own first."""
        own = [account for account in self._all.values() if account["projectId"] == project]
        return [self.get(COMPUTE), *own]

    def delete(self, email: str) -> None:
        """Forget an account and its keys, which give no more tokens; raise ApiError if it does not exist."""
        self.get(email)
        with self._lock:
            self._all.pop(email, None)
            self._keys.pop(email, None)

    def exists(self, email: str) -> bool:
        """Return whether there is such an account."""
        return email == COMPUTE or email in self._all

    def new_key(self, email: str) -> Key:
        """Make a key for the account; raise ApiError if it does not exist."""
        self.get(email)
        key = Key(uuid4().hex, email, rsa.generate_private_key(public_exponent=65537, key_size=2048))
        with self._lock:
            self._keys.setdefault(email, []).append(key)
        return key

    def keys(self, email: str) -> list[Key]:
        """Return the account's keys; none if it does not exist."""
        return list(self._keys.get(email, ()))

    def machine(self, project: str, email: str) -> Path:
        """Return the credentials of the machines that act as the account; made once.

        On Dataproc, the metadata server takes their place. Raise ApiError if there is no such account.
        """
        file = self._folder / f"{email}.json"
        self.get(email)
        if not (file.exists() and self.keys(email)):
            content = self.new_key(email).credentials(project, self._token_uri)
            file.touch(mode=0o600)
            file.write_text(content)
        return file
