"""Fixtures shared by the container tests."""

from __future__ import annotations

import uuid

import pytest


@pytest.fixture(scope="module")
def project() -> str:
    """Return a compose project name that nobody else uses."""
    return f"twinstream-test-{uuid.uuid4().hex[:8]}"
