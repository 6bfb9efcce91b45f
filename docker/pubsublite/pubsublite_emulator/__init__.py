"""An emulator of Pub/Sub Lite that Google's own clients accept, unmodified.

``python -m pubsublite_emulator serve`` runs it; :class:`Emulator` runs it inside a program.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pubsublite_emulator.emulator import Emulator

__all__ = ["Emulator"]

# gRPC's handlers of fork() abort one child in thirty that is started beside running calls, such as PySpark's
# JVM, which has a preexec_fn. They are for programs that use gRPC in the child. Read when gRPC is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def __getattr__(name: str) -> Any:
    """``Emulator``, loaded when it is asked for: the ``env`` command needs no gRPC."""
    if name == "Emulator":
        from pubsublite_emulator.emulator import Emulator

        return Emulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
