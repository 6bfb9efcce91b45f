"""Errors that the stand-in returns on purpose."""

from __future__ import annotations

from dataproc_emulator.errors import ApiError


class Faults:
    """Errors, each waiting for one call."""

    def __init__(self) -> None:
        self._waiting: dict[str, ApiError] = {}

    def fail_next(self, call: str, status: str, message: str) -> None:
        """Make the next `call` end with this error."""
        self._waiting[call] = ApiError(status, message)

    def check(self, call: str) -> None:
        """Raise the error that waits for `call`, if there is one."""
        if error := self._waiting.pop(call, None):
            raise error
