"""A driver's output as a series of objects that gcloud follows while it grows."""

from __future__ import annotations

from pathlib import Path

# gcloud 528 requests everything new in an object at once, and loses what goes beyond 1 MiB.
_OBJECT_BYTES = 1 << 19


class Output:
    """Objects ``<prefix>.000000000``, ``.000000001`` …; gcloud takes an empty one as the end."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._index = 0
        prefix.parent.mkdir(parents=True, exist_ok=True)

    def write(self, content: bytes) -> None:
        """Add what the driver has written."""
        if not content:
            return
        with self._object.open("ab") as file:
            file.write(content)
            if file.tell() >= _OBJECT_BYTES:
                self._index += 1

    def close(self) -> None:
        """Mark the end of the output."""
        if self._object.exists():
            self._index += 1
        self._object.touch()

    @property
    def _object(self) -> Path:
        return Path(f"{self._prefix}.{self._index:09}")
