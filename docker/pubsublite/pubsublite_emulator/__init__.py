"""A Pub/Sub Lite emulator that Google's own clients accept, unmodified.

``python -m pubsublite_emulator serve`` runs it; :class:`Emulator` runs it inside a program.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pubsublite_emulator.emulator import Emulator

__all__ = ["Emulator"]

# gRPC's fork() handlers abort one in thirty children started while calls are running, such as PySpark's JVM,
# which has a preexec_fn. Only programs that use gRPC in the child need them. Read when gRPC is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def __getattr__(name: str) -> Any:
    """Load ``Emulator`` only on access, because the ``env`` command does not need gRPC."""
    if name == "Emulator":
        from pubsublite_emulator.emulator import Emulator

        return Emulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
