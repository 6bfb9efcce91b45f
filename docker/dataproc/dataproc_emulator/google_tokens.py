"""Access tokens of service accounts, given for a signed assertion as Google's token endpoint does."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from dataproc_emulator.accounts import Accounts, Key

SECONDS = 3600


class BadAssertion(ValueError):
    """The assertion gives no token; the message says why."""


@dataclass(frozen=True)
class Issued:
    """A token that was given, known by its SHA-256; ``ends`` is in seconds since 1970."""

    digest: str
    ends: int
    account: str


class GoogleTokens:
    """The tokens that were given and have not ended."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = Lock()
        self._issued: list[Issued] = []

    def exchange(self, assertion: str) -> str:
        """Return a token for a JWT that an account has signed with one of its keys (RFC 7523).

        Raise BadAssertion if the account, the signature or the time is not right.
        """
        account = _verified(assertion, self._accounts)
        token = f"ya29.local-{secrets.token_urlsafe(32)}"
        issued = Issued(_digest(token), int(time.time()) + SECONDS, account)
        with self._lock:
            self._issued = [*self.valid(), issued]
        return token

    def account(self, token: str) -> str | None:
        """Return the account that got the token; None if it was not given here or has ended."""
        digest = _digest(token)
        return next((one.account for one in self.valid() if one.digest == digest), None)

    def valid(self) -> list[Issued]:
        """Return the tokens that have not ended, of accounts that still exist."""
        now = time.time()
        return [one for one in self._issued if one.ends > now and self._accounts.exists(one.account)]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _verified(assertion: str, accounts: Accounts) -> str:
    """Return the account that signed the assertion."""
    try:
        head, body, signature = assertion.split(".")
        claims: dict[str, Any] = json.loads(_decoded(body))
        account, ends = str(claims["iss"]), int(claims["exp"])
        signed, content = _decoded(signature), f"{head}.{body}".encode()
    except (ValueError, KeyError, TypeError):
        raise BadAssertion("Invalid JWT: expected a header, claims and a signature.") from None
    if ends < time.time():
        raise BadAssertion("Invalid JWT: Token must be a short-lived token (60 minutes).")
    if not any(_signed_by(key, signed, content) for key in accounts.keys(account)):
        raise BadAssertion("Invalid JWT Signature.")
    return account


def _signed_by(key: Key, signature: bytes, content: bytes) -> bool:
    try:
        key.private.public_key().verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
