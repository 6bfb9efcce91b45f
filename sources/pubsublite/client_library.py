"""google-cloud-pubsublite, imported when it is first needed: to publish and to record, never by a job."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from sources.base import SourceError


def pubsublite_v1() -> Any:
    """Return the package `google.cloud.pubsublite_v1`; raise SourceError if it is not installed."""
    # Otherwise gRPC aborts one in thirty child processes started during calls: in a notebook, PySpark's JVM.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        return import_module("google.cloud.pubsublite_v1")
    except ImportError as absent:
        raise SourceError(
            str(absent),
            expected="the package google-cloud-pubsublite for publishing and recording",
            remedy="pip install 'google-cloud-pubsublite~=1.13'",
        ) from None
