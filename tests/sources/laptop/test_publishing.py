"""The command-line entry point: publish, record, create."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from sources import flags, kafka, replay
from sources.base import Message
from sources.catalog import PRODUCT, STREAMS
from sources.kafka.options import KafkaOptions
from sources.laptop import publish as publishing
from sources.laptop.commands import COMMANDS, main
from sources.replay.options import ReplayOptions
from tests.containers.published import messages
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import put

CHECKOUT = Path(__file__).parents[3]
NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def servers(kafka_broker: KafkaBroker) -> Iterator[str]:
    """Yield a broker with the catalog's topics, created by `create`."""
    flag = f"--kafka-bootstrap-servers={kafka_broker.bootstrap}"
    assert main(["create", "--source", "kafka", flag]) == 0
    yield flag
    for stream in STREAMS.values():
        kafka_broker.delete_topic(stream.topic)


def lines(directory: Path) -> list[dict[str, Any]]:
    files = sorted(directory.rglob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def options(servers: str) -> KafkaOptions:
    return flags.options(KafkaOptions, [servers])


def test_a_scenario_in_files_is_the_same_every_time(tmp_path: Path) -> None:
    for place in ("a", "b"):
        assert main(["publish", "--scenario", "late", "--replay-dir", str(tmp_path / place)]) == 0
    made, again = lines(tmp_path / "a"), lines(tmp_path / "b")
    assert len(made) == 12 + 9 + 1 + 13 + 1
    assert [line | {"published_at": ""} for line in made] == [line | {"published_at": ""} for line in again]
    assert len(list((tmp_path / "a" / "browsing-stream").iterdir())) == 5
    assert made[0]["event_at"] == "2026-01-01T12:00:00Z"


def test_count_start_and_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--scenario", "tumbling", "--count", "300", "--start", "2030-05-01T10:00:00+02:00"]
    for seed, place in (("1", "1"), ("2", "2"), ("1", "again")):
        assert main(["publish", *arguments, "--seed", seed, "--replay-dir", str(tmp_path / place)]) == 0
    assert capsys.readouterr().out == "300 published, 300 acknowledged, 0 failed\n" * 3
    values = [[line["value"] for line in lines(tmp_path / place)] for place in ("1", "again")]
    assert values[0] == values[1]
    first, second = lines(tmp_path / "1"), lines(tmp_path / "2")
    assert (len(first), len(second)) == (300, 300)
    assert first[0]["event_at"] == second[0]["event_at"] == "2030-05-01T08:00:00Z"
    assert first[0]["value"] != second[0]["value"]


def test_a_rate_is_kept_whatever_the_broker_does(servers: str) -> None:
    began = time.monotonic()
    arguments = ["--scenario", "tumbling", "--rate", "100", "--count", "150"]
    assert main(["publish", "--source", "kafka", servers, *arguments]) == 0
    assert 1.49 <= time.monotonic() - began


def test_real_time_sends_each_event_when_it_happens(servers: str) -> None:
    command = [sys.executable, "-m", "sources", "publish", "--source=kafka", servers]
    command += ["--scenario=shop", "--rate=real-time", "--count=unlimited"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as running:
        source = kafka.records(PRODUCT, options(servers))
        record = next(record for record in source if record is not None)
        seen = datetime.now(UTC)
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=120)
    source.close()  # type: ignore[attr-defined]
    assert record.event_at is not None
    assert timedelta(0) <= seen - record.event_at < timedelta(minutes=1)
    published, acknowledged, failed = (part.split()[0] for part in said.split(", "))
    assert (published, failed) == (acknowledged, "0")
    assert running.returncode == 0


def stored(servers: str) -> int:
    """Return the number of messages in all streams at the broker that the flag names."""
    bootstrap = servers.partition("=")[2]
    return sum(len(messages(bootstrap, stream.topic)) for stream in STREAMS.values())


@pytest.mark.slow
def test_real_time_begins_with_a_history_where_nothing_is_there(servers: str, tmp_path: Path) -> None:
    alive, began = tmp_path / "alive", datetime.now(UTC).replace(microsecond=0)
    command = [sys.executable, "-m", "sources", "publish", "--source=kafka", servers]
    command += ["--scenario=shop", "--rate=real-time", "--count=unlimited"]
    command += ["--history-minutes=15", f"--alive-file={alive}"]
    published = []
    for least in (1001, 0):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as running:
            deadline = time.monotonic() + 120
            while not (alive.exists() and stored(servers) >= least) and time.monotonic() < deadline:
                time.sleep(0.05)
            running.send_signal(signal.SIGTERM)
            said, _ = running.communicate(timeout=120)
        alive.unlink()
        published.append(int(said.split()[0].replace(",", "")))
    source = kafka.records(PRODUCT, options(servers))
    oldest = min(record.event_at for record in iter(lambda: next(source), None) if record and record.event_at)
    assert timedelta(minutes=14) < began - oldest <= timedelta(minutes=15)
    assert published[0] > 1000
    assert published[1] < 200  # events exist, so no history is published again


INTERRUPTED = """
import itertools, os, signal, sys
from sources.laptop.commands import main
from sources.laptop.progress import Progress

def interrupted(self, *arguments, counted=getattr(Progress, sys.argv[1]), calls=itertools.count(1)):
    counted(self, *arguments)
    if next(calls) == 1000:
        os.kill(os.getpid(), signal.SIGINT)

setattr(Progress, sys.argv[1], interrupted)
sys.exit(main(sys.argv[2:]))
"""


def interrupted(method: str, *arguments: str) -> str:
    """Return what a command says when Ctrl-C reaches it as it counts its thousandth message."""
    command = [sys.executable, "-c", INTERRUPTED, method, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_ctrl_c_ends_is_counted_to_the_last_message(servers: str, tmp_path: Path) -> None:
    arguments = ["--source=kafka", servers, "--scenario=tumbling", "--start=2026-01-01T12:00:00Z"]
    said = interrupted("acknowledge", "publish", *arguments, "--count=unlimited")
    published = int(said.split()[0].replace(",", ""))
    assert said == f"{published:,} published, {published:,} acknowledged, 0 failed\n"
    source = kafka.records(STREAMS["browsing-stream"], options(servers))
    assert sum(1 for _ in iter(lambda: next(source), None)) == published

    said = interrupted("add", "record", servers, "--stream=browsing-stream", f"--replay-dir={tmp_path}")
    assert said == f"1,000 recorded, files in {tmp_path / 'browsing-stream'}: 1\n"
    assert len(lines(tmp_path)) == 1000


def test_what_is_interrupted_before_it_begins_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted_at_once(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "command", interrupted_at_once)
    assert main(["publish"]) == 130
    assert capsys.readouterr().err == "twinstream publish: interrupted\n"


def test_all_events_on_a_broker_are_past(servers: str) -> None:
    arguments = ["--scenario", "browse-and-buy", "--count", "200"]
    began = datetime.now(UTC)
    assert main(["publish", "--source", "kafka", servers, *arguments]) == 0
    source = kafka.records(STREAMS["purchase-stream"], options(servers))
    times = [record.event_at for record in iter(lambda: next(source), None) if record]
    assert len(times) > 30
    assert max(time for time in times if time) <= began


def test_what_the_broker_refuses_is_a_failure(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--scenario", "tumbling", "--count", "3", "--start", "2100-01-01T00:00:00Z"]
    assert main(["publish", "--source", "kafka", servers, *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == "3 published, 0 acknowledged, 3 failed\n"
    assert said.err.startswith(
        "failed 3 times: browsing-stream: InvalidRecordError, such as: [Error 87] InvalidRecordError: "
    )


def test_both_sources_carry_a_scenario_alike(servers: str, spark: SparkSession, tmp_path: Path) -> None:
    arguments = ["--scenario", "shop", "--start", "2026-01-01T12:00:00Z"]
    assert main(["publish", "--source", "kafka", servers, *arguments]) == 0
    assert main(["publish", "--source", "replay", "--replay-dir", str(tmp_path), *arguments]) == 0
    for stream in STREAMS.values():
        found = [
            sorted(
                source.envelope(source.read(spark.read, stream, chosen)).drop("published_at").collect(),
                key=lambda row: (row.partition, row.offset),
            )
            for source, chosen in ((kafka, options(servers)), (replay, ReplayOptions(tmp_path)))
        ]
        assert len(found[0]) > 500
        assert found[0] == found[1]


def test_a_recording_is_what_the_broker_holds(
    servers: str, spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headers: dict[str, list[bytes | None]] = {"trace": [b"1", None, b"\xff"], "source": [b"test"]}
    odd = [Message(PRODUCT.name, None, None, NOON), Message(PRODUCT.name, b"", b"\xff", NOON, headers)]
    for message in odd:
        put(servers.partition("=")[2], message, partition=0)
    assert main(["publish", "--source", "kafka", servers, "--scenario", "static-join"]) == 0
    folder = tmp_path / PRODUCT.name
    arguments = ["record", "--source", "kafka", servers, "--replay-dir", str(tmp_path)]
    assert main([*arguments, "--idle-seconds", "1", "--messages-per-file", "25"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"63 recorded, files in {folder}: 3"

    def rows(source: Any, chosen: Any) -> list[Row]:
        frame = source.envelope(source.read(spark.read, PRODUCT, chosen))
        return sorted(frame.collect(), key=lambda row: (row.partition, row.offset))

    assert rows(replay, ReplayOptions(tmp_path)) == rows(kafka, options(servers))
    times = [line["published_at"] for line in lines(tmp_path)]
    assert times == sorted(times)
    assert main(arguments) == 1
    assert "has files; expected a new recording's folder to be empty" in capsys.readouterr().err


def test_a_recording_ends_after_its_count(servers: str, tmp_path: Path) -> None:
    assert main(["publish", "--source", "kafka", servers, "--scenario", "static-join"]) == 0
    assert main(["record", servers, "--replay-dir", str(tmp_path), "--count", "7"]) == 0
    assert len(lines(tmp_path)) == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: python -m sources COMMAND"),
        (["brew"], "no command 'brew'; expected one of publish, record, create, bundle"),
        (["publish", "--sorce", "kafka"], "unrecognized arguments: --sorce kafka"),
        (["publish", "--replay", "x"], "unrecognized arguments: --replay x"),
        (["publish", "--source", "kafka", "--replay-dir", "x"], "--replay-dir: a flag of --source replay"),
        (["publish", "--source", "replay", "--kafka-auth=none"], "--kafka-auth: a flag of --source kafka"),
        (["publish", "--scenario", "x"], "invalid choice: 'x'"),
        (["publish", "--rate", "0"], "'0': expected a number above 0 or real-time"),
        (["publish", "--rate", "nan"], "'nan': expected a number above 0 or real-time"),
        (["publish", "--count", "1.5"], "'1.5': expected a whole number >= 1 or unlimited"),
        (["publish", "--start", "2026-01-01T12:00:00"], "expected a time with a zone"),
        (["record", "--idle-seconds", "-1", "--replay-dir", "x"], "'-1': expected a number above 0"),
        (["record", "--stream", "product-stream"], "arguments are required: --replay-dir"),
    ],
)
def test_what_is_not_understood_is_exit_code_2_and_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as left:
        code = int(left.code or 0)
    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert captured.err.count("\n") == (1 if arguments else captured.err.count("\n"))
    assert captured.out == ""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"usage: twinstream {command}" in capsys.readouterr().out


def test_without_a_client_library_there_is_one_line_and_the_remedy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['kafka'] = None\n"
        "from sources.laptop.commands import main\n"
        f"sys.exit(main(['record', '--source=kafka', '--replay-dir', {str(tmp_path)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "remedy: pip install 'kafka-python[crc32c,lz4,snappy,zstd]~=3.0'" in done.stderr
