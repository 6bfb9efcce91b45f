"""Pub/Sub Lite as a source: its flags, its messages when something is wrong, publishing and recording."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.cloud.pubsublite_v1 import CursorServiceClient
from pyspark.sql import SparkSession

from jobs.engine.jar_files import CHECKOUT
from pubsublite_emulator import Emulator
from sources import pubsublite
from sources.base import Message, Record, SourceError, parse
from sources.catalog import PRODUCT, STREAMS, Stream, partition_of
from sources.flags import Parser, options
from sources.pubsublite import admin as pubsublite_admin
from sources.pubsublite.options import EMULATOR, LiteOptions
from sources.pubsublite.paths import parent, subscription_path, topic_path
from sources.pubsublite.resources import admin_client, endpoint
from sources.replay import files as replay_files
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import led

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def options_of(*arguments: str) -> LiteOptions:
    return options(LiteOptions, arguments, prog="test")


@pytest.fixture(scope="module")
def lite(spark: SparkSession) -> Iterator[Emulator]:
    with Emulator() as emulator, led(emulator, spark):
        yield emulator


def made(name: str) -> Stream:
    stream = Stream(name)
    assert pubsublite.create([stream], options_of()) == [stream.topic, stream.subscription]
    return stream


def published(messages: Sequence[Message]) -> list[tuple[Message, Exception | None]]:
    acknowledged: list[tuple[Message, Exception | None]] = []
    publisher = pubsublite.publisher(options_of())
    publisher.publish(messages, lambda message, failure: acknowledged.append((message, failure)))
    publisher.close()
    return acknowledged


def stored(stream: Stream) -> list[Record]:
    """Return all records of a stream up to its current end."""
    found = []
    for record in pubsublite.records(stream, options_of()):
        if record is None:
            break
        found.append(record)
    return found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--pubsublite-project=my-shop"],
            "'my-shop': expected the project's number, because Google's connector takes no id; "
            "remedy: gcloud projects describe my-shop --format='value(projectNumber)'",
        ),
        (
            ["--pubsublite-location=us-central1-abc"],
            "'us-central1-abc': expected a zone like us-central1-a or a region like us-central1",
        ),
        (
            ["--pubsublite-location=europe"],
            "'europe': expected a zone like us-central1-a or a region like us-central1",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        options_of(*arguments)
    assert ended.value.code == 2
    flag = arguments[0].partition("=")[0]
    assert capsys.readouterr().err == f"test: argument {flag}: {said} (see --help)\n"


def test_the_project_is_asked_for_only_without_an_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EMULATOR, raising=False)
    with pytest.raises(SourceError, match=r"--pubsublite-project is missing; .* remedy: gcloud projects des"):
        parent(options_of())
    given = options_of("--pubsublite-project=42", "--pubsublite-location=us-east1")
    assert subscription_path(PRODUCT, given) == (
        "projects/42/locations/us-east1/subscriptions/product-stream-subscription"
    )
    assert topic_path(PRODUCT, given) == "projects/42/locations/us-east1/topics/product-stream-topic"
    monkeypatch.setenv(EMULATOR, "127.0.0.1:1")
    assert parent(options_of()) == "projects/1/locations/us-central1-a"


def test_the_help_says_what_a_user_runs_into(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Parser(prog="test"), ["--help"], default="pubsublite")
    text = " ".join(capsys.readouterr().out.split())
    for trap in (
        "starts at the subscription's committed cursor",
        "sees new messages once a minute",
        "the last batch of a stopped run stays uncommitted",
        "maxmessagesperbatch",
        "disconnect each other",
        "project number (not the id)",
    ):
        assert trap in text


def test_create_makes_only_what_is_not_there(lite: Emulator) -> None:
    stream = made("made")
    assert pubsublite.create([stream], options_of()) == []
    with admin_client(options_of()) as admin:
        admin.delete_subscription(name=subscription_path(stream, options_of()))
    assert pubsublite.create([stream], options_of()) == [stream.subscription]


def test_check_gives_the_topics_path(lite: Emulator, spark: SparkSession) -> None:
    stream = made("checked")
    identity = pubsublite.check(spark, [stream], options_of())
    assert identity == {"checked": "projects/1/locations/us-central1-a/topics/checked-topic"}


def test_a_subscription_whose_topic_is_gone(lite: Emulator, spark: SparkSession) -> None:
    stream = made("orphaned")
    with admin_client(options_of()) as admin:
        admin.delete_topic(name=topic_path(stream, options_of()))
    with pytest.raises(SourceError, match=r"orphaned-subscription: its topic was deleted; .* remedy: gcloud"):
        pubsublite.check(spark, [stream], options_of())


def test_a_missing_subscription_names_the_commands_that_make_it(lite: Emulator, spark: SparkSession) -> None:
    with pytest.raises(SourceError) as raised:
        pubsublite.check(spark, [Stream("absent")], options_of("--pubsublite-project=7"))
    assert str(raised.value) == (
        "no subscription projects/7/locations/us-central1-a/subscriptions/absent-subscription; expected it "
        "to exist; remedy: twinstream create --source pubsublite --pubsublite-project 7 "
        "--pubsublite-location us-central1-a, or gcloud pubsub lite-subscriptions create absent-subscription "
        "--topic=absent-topic --location=us-central1-a --starting-offset=beginning"
    )


def test_a_subscription_of_ones_own_leaves_the_streams_cursor_alone(
    lite: Emulator, spark: SparkSession, tmp_path: Path
) -> None:
    stream = made("shared")
    own = options_of("--pubsublite-subscription-suffix=notebook")
    assert pubsublite.create([stream], own) == ["shared-subscription-notebook"]
    published([Message("shared", b"k", b"v", None)])
    taken: list[Any] = []
    query = (
        pubsublite.envelope(pubsublite.read(spark.readStream, stream, own))
        .writeStream.foreachBatch(lambda frame, _: taken.extend(frame.collect()))
        .option("checkpointLocation", str(tmp_path))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(60)
    assert [(row.stream, bytes(row.value)) for row in taken] == [("shared", b"v")]
    with CursorServiceClient(client_options=endpoint(own)) as cursors:
        streams = cursors.list_partition_cursors(parent=subscription_path(stream, options_of()))
        assert [one.cursor.offset for one in streams] == []


def test_what_is_missing_is_named_with_its_suffix(lite: Emulator, spark: SparkSession) -> None:
    own = options_of("--pubsublite-subscription-suffix=mine")
    with pytest.raises(SourceError) as raised:
        pubsublite.check(spark, [Stream("absent")], own)
    said = str(raised.value)
    assert (
        "no subscription projects/1/locations/us-central1-a/subscriptions/absent-subscription-mine; " in said
    )
    assert "--pubsublite-subscription-suffix mine, or gcloud pubsub lite-subscriptions create absent-" in said


def test_a_suffix_that_cannot_be_in_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options_of("--pubsublite-subscription-suffix=my/own")
    assert "'my/own': expected letters, digits and -._~%+, like notebook" in capsys.readouterr().err


def test_refused_credentials_are_one_line(lite: Emulator, spark: SparkSession) -> None:
    lite.fail_next("GetSubscription", "PERMISSION_DENIED")
    with pytest.raises(
        SourceError, match=r"^projects/1/.*PERMISSION_DENIED.*; expected the emulator at [^\n]*$"
    ):
        pubsublite.check(spark, [PRODUCT], options_of())


def test_a_jvm_that_does_not_lead_to_the_emulator(
    lite: Emulator, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EMULATOR, "127.0.0.1:1")
    with pytest.raises(SourceError) as raised:
        pubsublite.check(spark, [PRODUCT], options_of())
    assert str(raised.value) == (
        f"PUBSUBLITE_EMULATOR_HOST is 127.0.0.1:1, but Spark's JVM goes to the proxy {lite.address}; "
        "expected JAVA_TOOL_OPTIONS to lead it to the emulator; remedy: "
        'eval "$(python -m pubsublite_emulator env)" before Spark starts'
    )


@pytest.mark.parametrize("ask", ["check", "publisher", "create", "records"])
def test_nobody_answers(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, ask: str) -> None:
    for module in (pubsublite_admin, sys.modules[admin_client.__module__]):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 2)
    options = options_of()
    asks: dict[str, Callable[[], object]] = {
        "check": lambda: pubsublite.check(spark, [PRODUCT], options),
        "publisher": lambda: pubsublite.publisher(options).publish([_message("product-stream", 1)], print),
        "create": lambda: pubsublite.create([PRODUCT], options),
        "records": lambda: next(pubsublite.records(PRODUCT, options)),
    }
    with Emulator() as gone:
        pass
    started = time.monotonic()
    with led(gone, spark), pytest.raises(SourceError, match=r"^[^\n]*; expected the emulator at [^\n]*$"):
        asks[ask]()
    assert time.monotonic() - started < 60


def _message(stream: str, number: int) -> Message:
    return Message(stream, b"user-%d" % (number % 7), b"%d" % number, NOON)


def test_a_message_goes_where_kafka_would_put_it(lite: Emulator) -> None:
    stream = made("routed")
    assert {failure for _, failure in published([_message("routed", n) for n in range(50)])} == {None}
    records = stored(stream)
    assert sorted(int(record.value or b"") for record in records) == list(range(50))
    assert {record.partition for record in records} == {0, 1}
    assert all(record.partition == partition_of(record.key or b"", 2) for record in records)


def test_only_the_refused_message_fails(lite: Emulator) -> None:
    stream = made("refused")
    messages = [_message("refused", n) for n in range(20)]
    messages.insert(10, Message("refused", b"user-3", bytes(11 << 20), NOON))
    failures = {message.value: failure for message, failure in published(messages) if failure}
    assert list(failures) == [messages[10].value]
    assert "expected at most 10485760" in str(failures[messages[10].value])
    assert sorted(int(record.value or b"") for record in stored(stream)) == list(range(20))


def test_lost_connections_lose_and_repeat_nothing(lite: Emulator) -> None:
    stream = made("broken")
    failures: list[Exception] = []
    publisher = pubsublite.publisher(options_of())
    for start in range(0, 3000, 500):
        messages = [_message("broken", number) for number in range(start, start + 500)]
        publisher.publish(messages, lambda _, failure: failures.append(failure) if failure else None)
        publisher.flush()
        # The streams are open: the next answers lost are those to messages that were stored.
        lite.fail_next("Publish", "UNAVAILABLE", "INTERNAL", at="response")
        lite.fail_next("Publish", "ABORTED")
    publisher.close()
    assert failures == []
    records = stored(stream)
    assert sorted(int(record.value or b"") for record in records) == list(range(3000))
    for partition in (0, 1):
        numbers = [int(record.value or b"") for record in records if record.partition == partition]
        assert numbers == sorted(numbers)


def test_what_kafka_storage_cannot_keep_fails_alone(spark: SparkSession, kafka_broker: KafkaBroker) -> None:
    with Emulator(f"kafka://{kafka_broker.bootstrap}") as lite, led(lite, spark):
        stream = made("half-kept")
        messages = [_message("half-kept", number) for number in range(200)]
        for number in (60, 61, 140):
            messages[number] = replace(messages[number], attributes={"without values": []})
        failures = {message.value: str(failure) for message, failure in published(messages) if failure}
        assert set(failures) == {b"60", b"61", b"140"}
        assert all("attribute 'without values' has no values" in failure for failure in failures.values())
        kept = sorted(int(record.value or b"") for record in stored(stream))
        assert kept == [number for number in range(200) if number not in (60, 61, 140)]


def test_a_stream_without_topic_is_refused_before_anything_is_sent(lite: Emulator) -> None:
    with pytest.raises(SourceError, match=r"no topic .*absent-topic; .*remedy: twinstream create"):
        published([_message("absent", 1)])


def test_recording_leaves_no_trace(lite: Emulator) -> None:
    stream = made("recorded")
    published([_message("recorded", n) for n in range(10)])
    assert len(stored(stream)) == 10
    with admin_client(options_of()) as admin:
        left = admin.list_subscriptions(parent=parent(options_of()))
        assert [one.name for one in left if one.topic.endswith("/recorded-topic")] == [
            subscription_path(stream, options_of())
        ]
    with CursorServiceClient(client_options=endpoint(options_of())) as cursors:
        listed = cursors.list_partition_cursors(parent=subscription_path(stream, options_of()))
        assert {one.cursor.offset for one in listed} <= {0}


def command(lite: Emulator, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sources", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **lite.env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_publish_and_record_as_a_user_does(tmp_path: Path) -> None:
    with Emulator() as lite:
        on_lite = ("--source", "pubsublite")
        assert command(lite, "create", *on_lite).count("made ") == 2 * len(STREAMS)
        same = ("--scenario", "shop", "--seed", "3", "--count", "400", "--start", "2026-01-01T12:00:00Z")
        assert "400 published, 400 acknowledged, 0 failed" in command(lite, "publish", *on_lite, *same)
        command(lite, "publish", "--source", "replay", "--replay-dir", str(tmp_path / "sent"), *same)
        for name in STREAMS:
            wanted = ("--stream", name, "--replay-dir", str(tmp_path / "recorded"), "--idle-seconds", "1")
            command(lite, "record", *on_lite, *wanted)
    for name in STREAMS:
        sent, recorded = (contents(tmp_path / folder / name) for folder in ("sent", "recorded"))
        assert recorded == sent
        assert sent


def contents(folder: Path) -> list[tuple[object, ...]]:
    """Return the contents of a stream's replay files by partition and offset.

    A null value counts as empty, because Pub/Sub Lite has no null.
    """
    records = (
        replay_files.decode(line, folder.name)
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    )
    return sorted((r.partition, r.offset, r.key, r.value or b"", r.event_at) for r in records)
