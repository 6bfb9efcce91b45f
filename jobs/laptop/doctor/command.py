"""The command: everything that is looked at, in the order in which it matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.jar_files import CHECKOUT
from jobs.laptop.doctor import broker, machine, spark
from jobs.laptop.doctor.diagnosis import Diagnosis
from jobs.laptop.doctor.engine import Engine
from sources.flags import flag, options


@dataclass(frozen=True)
class DoctorOptions:
    """Where the broker and the checkpoints are."""

    kafka_bootstrap_servers: str | None = flag(
        "HOST:PORT of the broker (default: localhost:KAFKA_PORT, as in compose)"
    )
    checkpoint_root: Path = flag("directory of all checkpoints", default=".checkpoints", parse=Path)


def command(arguments: Sequence[str]) -> int:
    """Run `twinstream doctor`: print one line per diagnosis; return 0 if none is a fault, otherwise 1."""
    given = options(DoctorOptions, arguments, prog="twinstream doctor", description=__doc__)
    faults = 0
    for diagnosis in _diagnoses(given.kafka_bootstrap_servers, given.checkpoint_root):
        print(diagnosis, flush=True)
        faults += diagnosis.state == "fault"
    print(f"faults: {faults}")
    return 1 if faults else 0


def _diagnoses(address: str | None, checkpoint_root: Path) -> Iterator[Diagnosis]:
    settings = machine.settings(CHECKOUT)
    address = address or f"localhost:{settings.get('KAFKA_PORT', machine.PORTS['KAFKA_PORT'])}"
    yield from machine.memory()
    yield from machine.architecture()
    yield from spark.python()
    yield from spark.java()
    yield from spark.jars()
    engine = Engine()
    yield from engine.diagnoses()
    yield from machine.ports(settings, engine.ports())
    yield from broker.outside(address)
    yield from broker.inside(engine.broker())
    yield from broker.checkpoints(checkpoint_root, address)
