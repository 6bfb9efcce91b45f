"""Diagnoses of the broker's two listeners and of checkpoints whose topics are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.engine.checkpoint import CONTRACT, reset_command
from jobs.engine.positions import positions
from jobs.engine.stream_guard import overtaken
from jobs.laptop.doctor.diagnosis import Diagnosis, fault, fault_of, ok, unknown
from sources.base import SourceError
from sources.catalog import Stream
from sources.kafka import client
from sources.kafka.addresses import REMEDY, leads
from sources.kafka.offsets import gone, next_offsets
from sources.kafka.options import KafkaOptions
from sources.kafka.retained import oldest_offsets

SECONDS = 5
INSIDE = "kafka:29092"


def outside(address: str) -> Iterator[Diagnosis]:
    """Check that the broker answers at `address` and directs its clients back to that address."""
    seen = f"broker at {address}"
    try:
        client.library()
    except SourceError as absent:
        yield unknown(f"{seen}: not asked, {absent.problem}; expected {absent.expected}", absent.remedy)
        return
    advertised = client.advertised(KafkaOptions(address), SECONDS)
    if not advertised:
        yield unknown(f"{seen}: does not answer", "docker compose up --wait kafka, if it should run")
    elif address in advertised:
        yield ok(f"{seen}: answers, and leads clients back there")
    else:
        yield fault(f"{seen}: {leads(advertised)}", REMEDY)


def inside(container: Any | None) -> Iterator[Diagnosis]:
    """Check that the broker listens where the other containers look for it."""
    if container is None:
        yield unknown(f"broker at {INSIDE}: no container runs", "docker compose up --wait kafka")
        return
    if container.status == "paused":
        yield fault(f"broker at {INSIDE}: its container is paused", "docker compose unpause kafka")
        return
    host, port = INSIDE.split(":")
    code, _ = container.exec_run(["bash", "-c", f"< /dev/tcp/{host}/{port}"])
    if code == 0:
        yield ok(f"broker at {INSIDE}: listens")
    else:
        yield fault(f"broker at {INSIDE}: nothing listens", "docker compose restart kafka")


def checkpoints(root: Path, address: str) -> Iterator[Diagnosis]:
    """Check that the topics of Kafka checkpoints are still the broker's: a recreated one has another id."""
    found = sorted(root.glob(f"*/kafka/{CONTRACT}"))
    if not found:
        yield ok(f"checkpoints: none of Kafka below {root}")
        return
    ids = _topic_ids(address)
    for file in found:
        try:
            contract = json.loads(file.read_text())["contract"]
        except (OSError, ValueError, KeyError) as error:
            yield fault(f"checkpoint {file.parent}: {CONTRACT} is broken ({error!r})", f"rm -r {file.parent}")
            continue
        reset = reset_command(str(root), contract["job"], contract["source"])
        if ids is None:
            yield unknown(f"checkpoint {file.parent}: the broker does not answer", "start the broker")
            continue
        now = {name: ids.get(Stream(name).topic) for name in contract["streams"]}
        missing = [name for name, identity in now.items() if identity is None]
        stale = [name for name, identity in now.items() if identity not in (None, contract["streams"][name])]
        if missing:
            yield fault(f"checkpoint {file.parent}: {', '.join(missing)} is gone from the broker", reset)
        elif stale:
            yield fault(f"checkpoint {file.parent}: {', '.join(stale)} was recreated since", reset)
        elif lost := _lost(file.parent, address):
            yield fault_of("", overtaken(f"checkpoint {file.parent}", lost, reset))
        else:
            yield ok(f"checkpoint {file.parent}: its topics are there")


def _lost(checkpoint: Path, address: str) -> str:
    """Return what retention deleted before the checkpoint read it; "" if the broker does not tell."""
    going_on = next_offsets(
        positions(
            lambda folder: [file.name for file in (checkpoint / folder).glob("*")],
            lambda file: (checkpoint / file).read_text(errors="replace"),
        )
    )
    try:
        return gone(going_on, oldest_offsets(going_on, KafkaOptions(address)))
    except SourceError:
        return ""


def _topic_ids(address: str) -> dict[str, str] | None:
    """Return the topics' ids by name in Java's notation; None if the broker does not answer."""
    try:
        return client.topic_ids(KafkaOptions(address))
    except SourceError:
        return None
