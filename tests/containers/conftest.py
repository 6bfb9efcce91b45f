"""What the container tests share."""

from __future__ import annotations

import uuid

import pytest


@pytest.fixture(scope="module")
def project() -> str:
    """A compose project's name that nobody else has."""
    return f"twinstream-test-{uuid.uuid4().hex[:8]}"
