"""Diagnoses of the broker's two listeners and of checkpoints whose topics are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.engine.checkpoint import CONTRACT, reset_command
from jobs.engine.positions import positions
from jobs.engine.stream_guard import overtaken
from jobs.laptop.doctor.diagnosis import Diagnosis, fault, ok, unknown
from sources.catalog import Stream
from sources.kafka.connection import COMMITTED
from sources.kafka.offsets import gone, next_offsets

SECONDS = 5
INSIDE = "kafka:29092"


def outside(address: str) -> Iterator[Diagnosis]:
    """Check that the broker answers at `address` and directs its clients back to that address."""
    seen = f"broker at {address}"
    try:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        from sources.kafka import addresses as kafka_addresses
    except ImportError:
        yield unknown(f"{seen}: not asked", "pip install 'confluent-kafka~=2.16'")
        return
    try:
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        advertised = kafka_addresses.advertised(admin.list_topics(timeout=SECONDS))
    except KafkaException as error:
        yield unknown(f"{seen}: {error.args[0].str()}", "docker compose up --wait kafka, if it should run")
        return
    if address in advertised:
        yield ok(f"{seen}: answers, and leads clients back there")
    else:
        yield fault(f"{seen}: {kafka_addresses.leads(advertised)}", kafka_addresses.REMEDY)


def inside(container: Any | None) -> Iterator[Diagnosis]:
    """Check that the broker listens where the other containers look for it."""
    if container is None:
        yield unknown(f"broker at {INSIDE}: no container runs", "docker compose up --wait kafka")
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
            yield fault(f"checkpoint {file.parent}: {', '.join(stale)} has been made anew since", reset)
        elif lost := _lost(file.parent, address):
            found_out, _, remedy = overtaken(f"checkpoint {file.parent}", lost, reset).partition("; remedy: ")
            yield fault(found_out, remedy)
        else:
            yield ok(f"checkpoint {file.parent}: its topics are there")


def _lost(checkpoint: Path, address: str) -> str:
    """Return what retention deleted before the checkpoint read it."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    going_on = next_offsets(
        positions(
            lambda folder: [file.name for file in (checkpoint / folder).glob("*")],
            lambda file: (checkpoint / file).read_text(errors="replace"),
        )
    )
    settings = {"bootstrap.servers": address, "group.id": "twinstream-doctor", "log_level": 0, **COMMITTED}
    consumer = Consumer(settings)
    try:
        oldest = {
            topic: {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=SECONDS)[0]
                for number in partitions
            }
            for topic, partitions in going_on.items()
        }
    except KafkaException:
        return ""
    finally:
        consumer.close()
    return gone(going_on, oldest)


def _topic_ids(address: str) -> dict[str, str] | None:
    """Return the topics' ids by name in Java's notation; None if the broker does not answer."""
    try:
        from confluent_kafka import KafkaException, TopicCollection
        from confluent_kafka.admin import AdminClient
    except ImportError:
        return None
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    try:
        names = list(admin.list_topics(timeout=SECONDS).topics)
        answers = admin.describe_topics(TopicCollection(names), request_timeout=SECONDS)
        return {name: _java_uuid(str(answer.result().topic_id)) for name, answer in answers.items()}
    except KafkaException:
        return None


def _java_uuid(text: str) -> str:
    return text.rstrip("=").replace("+", "-").replace("/", "_")
