"""Which service accounts may read or change objects: those with a role of Cloud Storage in any project."""

from __future__ import annotations

import re

from dataproc_emulator.google_tokens import GoogleTokens
from dataproc_emulator.policies import Policies

_STORAGE = re.compile(r"/(download/|upload/|resumable/upload/)?storage/v1/")
_CHANGING = ("roles/storage.objectUser", "roles/storage.objectAdmin", "roles/storage.admin")
_READING = ("roles/storage.objectViewer", *_CHANGING)


class StorageAccess:
    """Admits the tokens that accounts got with their keys; who holds the emulator's own token needs none."""

    def __init__(self, policies: Policies, tokens: GoogleTokens) -> None:
        self._policies = policies
        self._tokens = tokens

    def admits(self, token: str, method: str, target: str) -> bool:
        """Return whether the token's account may send this request to Cloud Storage."""
        account = self._tokens.account(token)
        if account is None or not _STORAGE.match(target):
            return False
        roles = _READING if method in ("GET", "HEAD") else _CHANGING
        return account in self._policies.accounts_with_any(roles)
