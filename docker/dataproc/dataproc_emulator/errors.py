"""Errors as Google's REST interfaces write them."""

from __future__ import annotations

from typing import Any

# gcloud retries for half a minute if the code is 500 or above, so UNIMPLEMENTED is not 501 here.
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "REQUEST_TIMEOUT": 408,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "CONDITION_NOT_MET": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "RANGE_NOT_SATISFIABLE": 416,
    "INTERNAL": 500,
    "INSUFFICIENT_STORAGE": 507,
    "UNIMPLEMENTED": 400,
}


class ApiError(Exception):
    """A refused call; ``status`` is Google's name for the reason."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = _CODES[status]

    @property
    def body(self) -> dict[str, Any]:
        """Return the answer, for both the newer interfaces (``status``) and Cloud Storage (``errors``)."""
        said = {"message": str(self), "domain": "global", "reason": self.status.lower()}
        return {"error": {"code": self.code, "message": str(self), "status": self.status, "errors": [said]}}


def not_found(kind: str, name: str) -> ApiError:
    """Return the error for a resource that does not exist."""
    return ApiError("NOT_FOUND", f"Not found: {kind} {name}")
