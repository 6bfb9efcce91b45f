"""Errors that the stand-in answers on purpose."""

from __future__ import annotations

from dataproc_emulator.errors import ApiError


class Faults:
    """Errors that wait for a call each."""

    def __init__(self) -> None:
        self._waiting: dict[str, ApiError] = {}

    def fail_next(self, call: str, status: str, message: str) -> None:
        """The next `call` ends with this error."""
        self._waiting[call] = ApiError(status, message)

    def check(self, call: str) -> None:
        """Raises what waits for `call`."""
        if error := self._waiting.pop(call, None):
            raise error
