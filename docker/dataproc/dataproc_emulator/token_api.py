"""The token endpoint of the local service accounts, oauth2.googleapis.com/token elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from dataproc_emulator.access import EXCHANGE
from dataproc_emulator.google_tokens import SECONDS, BadAssertion, GoogleTokens
from dataproc_emulator.web import Request, Response, Routes

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_BYTES = 1 << 16


class TokenApi:
    """Gives tokens; ``given`` is called after each, before it is answered."""

    def __init__(self, tokens: GoogleTokens, given: Callable[[], None]) -> None:
        self._tokens = tokens
        self._given = given

    def add_to(self, routes: Routes) -> None:
        """Add the endpoint's path to ``routes``."""
        routes.add("POST", EXCHANGE, self._token, limit=_BYTES)

    def _token(self, request: Request) -> Response | dict[str, Any]:
        request.body.seek(0)
        form = parse_qs(request.body.read().decode("latin-1"))
        if form.get("grant_type") != [_GRANT]:
            return _refused("unsupported_grant_type", f"expected {_GRANT}")
        try:
            token = self._tokens.exchange(form.get("assertion", [""])[0])
        except BadAssertion as reason:
            return _refused("invalid_grant", str(reason))
        self._given()
        return {"access_token": token, "expires_in": SECONDS - 1, "token_type": "Bearer"}


def _refused(error: str, description: str) -> Response:
    """Return the answer in the form of RFC 6749, which the clients' libraries read."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    return Response(body, 400, {"Content-Type": "application/json"})
