"""Every consumer of Kafka is told the isolation level: without it, it reads aborted transactions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.test_repository import python_files, text_of


def test_every_consumer_of_kafka_is_told_the_isolation_level() -> None:
    files = python_files("jobs", "sources", "docker")
    made = {str(file): list(consumers(ast.parse(text_of(file)))) for file in files}
    assert {
        file: lines for file, of in made.items() if (lines := [line for line, told in of if not told])
    } == {}
    assert {file for file, of in made.items() if of} >= {
        "sources/kafka/__init__.py",
        "sources/kafka/client.py",
        "docker/pubsublite/pubsublite_emulator/kafka_reader.py",
    }


def consumers(module: ast.Module) -> Iterator[tuple[int, bool]]:
    """Yield the line of each call that makes a consumer, and whether it is told the isolation level.

    The level may be in a name that the function or the module gives a value.
    """
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call) and _makes_a_consumer(node)):
        around = [function for function in functions if call in ast.walk(function)]
        settings = {
            target.id: node.value
            for body in (module.body, *(function.body for function in around))
            for node in body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        parts = [
            call,
            *(settings[one.id] for one in ast.walk(call) if isinstance(one, ast.Name) and one.id in settings),
        ]
        yield call.lineno, any(re.search(r"\bCOMMITTED\b|isolation\.level", ast.dump(part)) for part in parts)


def _makes_a_consumer(call: ast.Call) -> bool:
    """Return whether a call is of a client's `Consumer`, or loads a frame from Spark's Kafka source."""
    names = [getattr(one, "id", getattr(one, "attr", "")) for one in (call.func, *call.args)]
    if "TypeVar" in names:
        return False
    return bool({"Consumer", "KafkaConsumer"} & set(names)) or (
        names[0] == "load" and "'kafka'" in ast.dump(call.func)
    )


def test_a_consumer_is_found_however_it_is_made() -> None:
    source = (
        "LEVEL = {'isolation.level': 'read_committed'}\n"
        "T = TypeVar('T', Producer, Consumer)\n"
        "def told():\n    Consumer({**LEVEL})\n    connected(Consumer, options, COMMITTED)\n"
        "    settings = {**COMMITTED}\n    reader.format('kafka').options(**settings).load()\n"
        "def forgotten():\n    settings = {}\n    Consumer(settings)\n    kafka.KafkaConsumer()\n"
        "    connected(Consumer, options)\n    spark.readStream.format('kafka').options(**settings).load()\n"
        "    rows.write.format('kafka').save()\n"
    )
    assert sorted(consumers(ast.parse(source))) == [
        (4, True), (5, True), (7, True), (10, False), (11, False), (12, False), (13, False),
    ]  # fmt: skip
