"""Diagnoses of the machine: memory, processor, ports."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

from jobs.laptop.doctor.diagnosis import Diagnosis, fault, ok

NEEDED = 6 << 30
"""Bytes for the whole stack with a notebook: 4 GiB at rest, plus what Spark takes when it works."""
ARCHITECTURES = ("x86_64", "amd64", "aarch64", "arm64")
PORTS = {"KAFKA_PORT": 9092, "JUPYTER_PORT": 8888, "DASHBOARD_PORT": 8501}


def memory() -> Iterator[Diagnosis]:
    """Check that there is enough memory for the whole stack."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    seen = f"memory: {there / 2**30:.1f} GiB"
    if there >= NEEDED:
        yield ok(seen)
    else:
        yield fault(
            f"{seen}; expected {NEEDED >> 30} GiB for all services",
            "start fewer: docker compose up --wait discounts dashboard",
        )


def architecture() -> Iterator[Diagnosis]:
    """Check that the base images exist for this processor."""
    here = platform.machine()
    if here.lower() in ARCHITECTURES:
        yield ok(f"processor: {here}")
    else:
        yield fault(
            f"processor: {here}; expected one of {', '.join(ARCHITECTURES)}",
            "use such a machine, or make demo",
        )


def ports(settings: dict[str, str], ours: Collection[int]) -> Iterator[Diagnosis]:
    """Check that the ports that compose publishes are free or held by the product itself (`ours`)."""
    for name, standard in PORTS.items():
        port = int(settings.get(name, standard))
        if port in ours:
            yield ok(f"port {port} ({name}): held by twinstream")
        elif _is_free(port):
            yield ok(f"port {port} ({name}): free")
        else:
            yield fault(
                f"port {port} ({name}): taken by another program",
                f"stop that, or write {name}={port + 1} into .env",
            )


def settings(folder: Path) -> dict[str, str]:
    """Return the settings in .env and the environment, as compose reads them: the environment wins."""
    file = folder / ".env"
    lines = file.read_text().splitlines() if file.exists() else []
    said = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in said.items()} | dict(os.environ)


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
