"""A Google token in the form that Managed Service for Apache Kafka takes, which is not a signed JWT.

The form is kafka-java-auth's (github.com/googleapis/managedkafka): the header, the token's claims and the
access token, each in Base64 without padding.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from datetime import UTC
from typing import Any

from sources.base import SourceError
from sources.kafka.login import SCOPE, no_credentials

_HEADER = {"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}


def token_provider() -> Any:
    """Return what gives kafka-python a token of the application default credentials for each connection.

    Raise SourceError if there are no such credentials or if they give no token.
    """
    from kafka.net.sasl.oauth import AbstractTokenProvider

    credentials = GoogleToken()

    class Provider(AbstractTokenProvider):  # type: ignore[misc]
        def token(self) -> str:
            return credentials.token()

    return Provider()


class GoogleToken:
    """A token of the application default credentials, renewed when it has expired.

    The constructor raises SourceError if there are no such credentials or if they give no token.
    """

    def __init__(self) -> None:
        self._credentials, self._request = _default_credentials()
        self.token()

    def token(self) -> str:
        """Return the token; raise SourceError if there is none."""
        credentials = self._credentials
        if not credentials.valid:
            _refresh(credentials, self._request)
        account = getattr(credentials, "service_account_email", None)
        if not account:
            raise no_credentials(f"{type(credentials).__name__} name no service account")
        ends = credentials.expiry.replace(tzinfo=UTC).timestamp()
        claims = {"exp": int(ends), "iat": int(time.time()), "scope": "kafka", "sub": account}
        return ".".join(map(_base64, (json.dumps(_HEADER), json.dumps(claims), credentials.token)))


def _default_credentials() -> tuple[Any, Any]:
    try:
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
        from google.auth.transport.requests import Request
    except ImportError as absent:
        raise SourceError(
            str(absent),
            expected="the package google-auth for --kafka-auth managed",
            remedy="pip install 'google-auth[requests]~=2.40'",
        ) from None
    try:
        return google.auth.default(scopes=[SCOPE])[0], Request()
    except DefaultCredentialsError as failure:
        raise no_credentials(_one_line(failure)) from None


def _refresh(credentials: Any, request: Any) -> None:
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials.refresh(request)
    except GoogleAuthError as failure:
        raise no_credentials(_one_line(failure)) from None


def _one_line(failure: Exception) -> str:
    return " ".join(str(failure.args[0]).split()).rstrip(".")


def _base64(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
