"""A driver's output as a series of objects, which gcloud follows while it grows."""

from __future__ import annotations

from pathlib import Path

# gcloud 528 asks for all that is new in an object at once, and loses what is beyond 1 MiB of it.
_OBJECT_BYTES = 1 << 19


class Output:
    """Objects ``<prefix>.000000000``, ``.000000001`` …; an empty one is the end, as gcloud reads it."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._index = 0
        prefix.parent.mkdir(parents=True, exist_ok=True)

    def write(self, content: bytes) -> None:
        """Add what the driver has said."""
        if not content:
            return
        with self._object.open("ab") as file:
            file.write(content)
            if file.tell() >= _OBJECT_BYTES:
                self._index += 1

    def close(self) -> None:
        """Say that nothing more will come."""
        if self._object.exists():
            self._index += 1
        self._object.touch()

    @property
    def _object(self) -> Path:
        return Path(f"{self._prefix}.{self._index:09}")
