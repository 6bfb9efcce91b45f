import hashlib
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from jobs.engine import jar_files
from jobs.laptop import jars

KAFKA_JARS = [
    "commons-pool2-2.11.1.jar",
    "kafka-clients-3.4.1.jar",
    "spark-sql-kafka-0-10_2.12-3.5.3.jar",
    "spark-token-provider-kafka-0-10_2.12-3.5.3.jar",
]
FETCH_LOCAL = "import sys; from jobs.laptop import jars; jars.fetch(['local'], sys.argv[1])"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return a directory for jars that is empty except for what Ivy already has.

    No test here needs the network twice.
    """
    cache = jar_files.directory() / ".ivy" / "cache" / "com.globalmentor"
    if cache.is_dir():
        shutil.copytree(cache, tmp_path / ".ivy" / "cache" / cache.name)
    return tmp_path


def make_set(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def start_fetch(target: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH_LOCAL, str(target)], cwd=jar_files.CHECKOUT)


def test_the_directory_is_the_argument_else_the_environment_else_the_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TWINSTREAM_JARS", raising=False)
    assert jar_files.directory() == Path(pyspark.__file__).parents[5] / ".jars"
    monkeypatch.setenv("TWINSTREAM_JARS", "/from/environment")
    assert jar_files.directory() == Path("/from/environment")
    assert jar_files.directory("/from/argument") == Path("/from/argument")


def test_the_kafka_set_is_the_four_jars_that_spark_lacks(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "kafka", [*KAFKA_JARS, "not-ours.jar"])
    assert jar_files.jars("kafka", tmp_path) == [folder / name for name in KAFKA_JARS]


def test_a_set_that_lacks_one_jar_is_missing_and_the_error_names_the_command(tmp_path: Path) -> None:
    make_set(tmp_path / "kafka", KAFKA_JARS[1:])
    with pytest.raises(jar_files.MissingJars) as caught:
        jar_files.jars("kafka", tmp_path)
    assert str(caught.value) == (
        f"1 of 4 jars of the set 'kafka' are not in {tmp_path}/kafka (commons-pool2-2.11.1.jar …); "
        "expected all that docker/spark/jars.sha256 lists; remedy: twinstream jars kafka"
    )


def test_an_unknown_set_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jars.command(["--directory", str(tmp_path), "kinesis"]) == 1
    assert capsys.readouterr().err == (
        "twinstream jars: no set of jars named 'kinesis'; "
        "expected one of: kafka, kafka-spark-4.1, managed-kafka, managed-kafka-spark-4.1, pubsublite, delta, "
        "delta-spark-4.1, bigquery, gs, local, broker, pubsublite-client, pubsublite-kafka, "
        "pubsublite-connector, connect, beam\n"
    )


@pytest.mark.parametrize(
    ("spark", "name", "expected"),
    [
        ("3.5.3", "kafka", "kafka"),
        ("4.1.2", "kafka", "kafka-spark-4.1"),
        ("4.1", "kafka", "kafka-spark-4.1"),
        ("4.10.0", "kafka", "kafka"),
        ("4.1.2", "delta", "delta-spark-4.1"),
        ("4.1.2", "managed-kafka", "managed-kafka-spark-4.1"),
        ("4.1.2", "local", "local"),
    ],
)
def test_a_spark_that_has_a_set_of_its_own_gets_it(spark: str, name: str, expected: str) -> None:
    assert jar_files.built_for(spark, name) == expected


def test_ivy_and_the_lock_name_the_same_sets() -> None:
    configurations = re.findall(r'<conf name="([^"]+)"', jars.IVY_FILE.read_text())
    assert list(jar_files.known()) == configurations
    assert set(jars.FOR_JOBS) < set(configurations)


def test_all_are_every_set_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock of two sets stands for the whole one, whose sets only slow tests use."""
    lock = tmp_path / "jars.sha256"
    lines = jar_files.LOCK_FILE.read_text().splitlines(keepends=True)
    lock.write_text("".join(line for line in lines if line.split()[1].startswith(("local/", "broker/"))))
    monkeypatch.setattr(jar_files, "LOCK_FILE", lock)
    assert jars.command(["--all"]) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["local", "broker"]


@pytest.mark.parametrize(
    ("name", "newer"),
    # Google's login does not run on Spark's own, so these come first: see runtimes.toml.
    [
        ("kafka", set()),
        ("delta", set()),
        ("bigquery", set()),
        ("gs", set()),
        ("local", set()),
        ("managed-kafka", {"guava", "gson"}),
    ],
)
def test_no_set_brings_a_jar_that_spark_ships(name: str, newer: set[str]) -> None:
    shipped = {_artifact(jar.name) for jar in Path(pyspark.__file__).parent.glob("jars/*.jar")}
    assert "hadoop-client-api" in shipped
    assert shipped & set(map(_artifact, jar_files.known()[name])) == newer


def test_a_fetched_set_is_what_the_lock_says_and_is_not_fetched_again(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jars.command(["--directory", str(target), "local"]) == 0
    assert re.fullmatch(r"local: 1 jar, 0\.0 MB, fetched in \d+\.\d s\n", capsys.readouterr().out)
    (jar,) = jar_files.jars("local", target)
    assert jar_files.known()["local"] == {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest()}
    before = jar.stat()
    assert jars.command(["--directory", str(target), "local"]) == 0
    assert capsys.readouterr().out == "local: 1 jar, 0.0 MB, there\n"
    assert jar.stat() == before


def test_a_jar_that_is_not_the_recorded_one_never_appears(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "0" * 64
    lock = tmp_path / "jars.sha256"
    lock.write_text(f"{other}  local/hadoop-bare-naked-local-fs-0.1.0.jar\n")
    monkeypatch.setattr(jar_files, "LOCK_FILE", lock)
    with pytest.raises(jars.WrongJars, match=f"hadoop-bare-naked-local-fs-0.1.0.jar has .*{other}"):
        jars.fetch(["local"], target)
    assert not (target / "local").exists()


@pytest.mark.parametrize("seconds", [0.4, 0.9])
def test_a_killed_fetch_leaves_a_whole_set_or_none(target: Path, seconds: float) -> None:
    fetching = start_fetch(target)
    try:
        fetching.wait(seconds)
    except subprocess.TimeoutExpired:
        fetching.send_signal(signal.SIGKILL)
        fetching.wait()
    if (target / "local").exists():
        jar_files.jars("local", target)
    jars.fetch(["local"], target)
    jar_files.jars("local", target)
    assert list(target.glob(".fetching-*")) == []


def test_two_fetches_at_once_both_succeed(target: Path) -> None:
    both = [start_fetch(target), start_fetch(target)]
    assert [fetching.wait(120) for fetching in both] == [0, 0]
    jar_files.jars("local", target)


def test_a_failed_fetch_says_what_ivy_said(
    target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = target / "ivy.xml"
    broken.write_text("<ivy-module version='2.0'><info organisation='o' module='m'/></ivy-module>")
    monkeypatch.setattr(jars, "IVY_FILE", broken)
    assert jars.command(["--directory", str(target), "local"]) == 1
    error = capsys.readouterr().err
    assert "could not fetch the set 'local' (exit code 1)" in error
    assert "local" in error.partition("Ivy's last lines:")[2]


def _artifact(jar: str) -> str:
    return re.sub(r"-\d[\w.-]*\.jar$", "", jar)
