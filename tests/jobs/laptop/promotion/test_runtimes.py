"""The facts about runtimes: each has its source, and is true of the jars where a jar can tell."""

import re
import tomllib
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import jar_files
from jobs.engine import sink as sinks
from jobs.laptop.promotion import runtimes
from sources import base as sources
from sources.kafka.options import KafkaOptions

FACTS = tomllib.loads(Path(runtimes.__file__).with_name("runtimes.toml").read_text())
ENTRIES = {f"{kind} {name}": entry for kind, named in FACTS.items() for name, entry in named.items()}


def logins(declared: Any) -> list[Any]:
    """Return options of a source or sink: of Kafka's, one of each login."""
    if not issubclass(declared, KafkaOptions):
        return [declared()]
    return [declared(kafka_auth=auth) for auth in ("none", "plain", "managed")]


PLACES: list[Any] = [*map(sources.load, sources.names()), *map(sinks.load, sinks.names())]
USED = sorted({name for one in PLACES for options in logins(one.OPTIONS) for name in one.jars(options)})


@pytest.mark.parametrize("name", ENTRIES)
def test_every_fact_has_a_source_and_a_day(name: str) -> None:
    entry = ENTRIES[name]
    assert entry["source"].startswith("https://")
    assert date(2026, 1, 1) < entry["as_of"] <= date.today()


def test_the_images_are_what_google_says_of_them() -> None:
    told = {name: (one.spark, one.scala, one.java, one.python) for name, one in runtimes.images().items()}
    assert told == {
        "2.1-debian11": ("3.3", "2.12", 11, "3.10"),
        "2.2-debian12": ("3.5", "2.12", 11, "3.11"),
        "2.3-debian12": ("3.5", "2.12", 11, "3.11"),
        "3.0-debian13": ("4.1", "2.13", 21, "3.12"),
    }
    ends = {name: one.supported_until for name, one in runtimes.images().items()}
    assert ends == {
        "2.1-debian11": date(2026, 3, 31),
        "2.2-debian12": date(2027, 3, 31),
        "2.3-debian12": date(2027, 6, 9),
        "3.0-debian13": None,
    }
    assert list(runtimes.serverless()) == ["1.2", "2.2", "2.3", "3.0"]


def test_a_sub_minor_image_is_its_image_and_a_bare_version_is_none() -> None:
    assert runtimes.image("2.3.12-debian12") == runtimes.image("2.3-debian12")
    assert runtimes.image("2.3-debian12") is not None
    assert [runtimes.image(text) for text in ("2.3", "2.3-debian11", "4.0-debian13", "")] == [None] * 4


def test_every_jar_set_of_a_source_or_sink_has_facts() -> None:
    brought = {name for one in runtimes.images().values() for name in one.brings}
    assert [name for name in USED if name not in brought and not runtimes.connector(name)] == []


@pytest.mark.parametrize(
    "name", ["kafka", "kafka-spark-4.1", "managed-kafka", "delta", "bigquery", "pubsublite"]
)
def test_the_facts_of_a_set_are_those_of_its_jars(name: str) -> None:
    facts, jars = runtimes.connector(name), jar_files.jars(name)
    assert {scala for jar in jars for scala in re.findall(r"_(\d\.\d+)-", jar.name)} <= {facts.scala}
    assert max(java_of(jar) for jar in jars) <= facts.java


def java_of(jar: Path) -> int:
    """Return the Java that loads the jar: the newest class file version of its first classes."""
    with zipfile.ZipFile(jar) as archive:
        classes = [
            name
            for name in archive.namelist()
            if name.endswith(".class") and not name.startswith("META-INF") and "module-info" not in name
        ]
        return max(int.from_bytes(archive.read(name)[6:8], "big") - 44 for name in classes[::50])
