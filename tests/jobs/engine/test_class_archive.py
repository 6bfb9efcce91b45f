"""Java's class archive: left by the first session, taken by later ones, and never in the way."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from jobs.engine import class_archive
from jobs.engine.java import java_home
from tests.support.process import Program

OLD = time.time() - 3600
SESSION = """
import sys
from jobs.engine.session import session
assert session("first", sys.argv[1:]).range(2).count() == 2
"""
"""A session whose JVM ends as a job's does: after Python."""


def classes(folder: Path, archive: Path, *jar_sets: str) -> list[str]:
    """Run a session, and return the lines that Java logs of the classes that it loads."""
    log = folder / f"classes-{len(jar_sets)}.log"
    java = f"-XX:TieredStopAtLevel=1 -Xlog:class+load:file={log}"
    environment = {class_archive.VARIABLE: str(archive), "SPARK_SUBMIT_OPTS": java}
    with Program("-c", SESSION, *jar_sets, environment=environment) as program:
        assert program.wait() == 0, program.said
        wait_for_java(program)
    return log.read_text().splitlines()


def wait_for_java(program: Program, seconds: float = 120) -> None:
    """Wait until the JVM has ended too, which outlives Python while it writes an archive."""
    deadline = time.monotonic() + seconds
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(program.group, 0)
            time.sleep(0.1)
        raise AssertionError(f"Java has not ended {seconds} s after Python")


def shared(lines: list[str]) -> int:
    """Return how many of Spark's classes came from an archive."""
    return sum("org.apache.spark" in line and "shared objects file" in line for line in lines)


@pytest.mark.slow
def test_the_first_session_leaves_it_and_another_with_other_jars_takes_it(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    assert shared(classes(tmp_path, folder / "spark.jsa")) == 0
    (left,) = folder.iterdir()
    os.utime(left, (OLD, OLD))
    assert shared(classes(tmp_path, folder / "spark.jsa", "kafka", "delta")) > 2000
    assert [file.name for file in folder.iterdir()] == ["spark.jsa"]


def test_one_that_is_still_written_is_not_taken(tmp_path: Path) -> None:
    archive = tmp_path / "spark.jsa"
    Path(f"{archive}.first").write_bytes(b"being written")
    assert not class_archive.adopt(archive)
    assert not archive.exists()


def test_one_of_several_that_were_left_is_taken_and_none_stays(tmp_path: Path) -> None:
    archive = tmp_path / "spark.jsa"
    for name in ("first", "second"):
        file = Path(f"{archive}.{name}")
        file.write_bytes(b"classes")
        os.utime(file, (OLD, OLD))
    assert class_archive.adopt(archive)
    assert [file.name for file in tmp_path.iterdir()] == ["spark.jsa"]


def test_that_of_an_earlier_release_is_deleted(tmp_path: Path) -> None:
    for name in ("installed-old.jsa", "another-old.jsa", "installed-new.jsa.left"):
        (tmp_path / name).write_bytes(b"classes")
    assert class_archive.adopt(tmp_path / "installed-new.jsa", settled=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["another-old.jsa", "installed-new.jsa"]


def test_a_java_that_makes_none_gets_no_options(tmp_path: Path) -> None:
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.27"\n')
    assert class_archive.options(tmp_path, bare=True) == ()
    assert class_archive.options(tmp_path / "without a release", bare=True) == ()


def test_a_session_with_a_jobs_jars_leaves_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(class_archive.VARIABLE, str(tmp_path / "spark.jsa"))
    assert class_archive.options(java_home(), bare=False) == ()
    assert "ArchiveClassesAtExit" in class_archive.options(java_home(), bare=True)[0]


def test_a_folder_that_cannot_be_made_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(class_archive.VARIABLE, str(tmp_path / "file" / "spark.jsa"))
    assert class_archive.options(java_home(), bare=True) == ()


def test_each_java_and_each_spark_has_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(class_archive.VARIABLE, raising=False)
    monkeypatch.setenv("TWINSTREAM_JARS", str(tmp_path / "jars"))
    (tmp_path / "release").write_text('JAVA_VERSION="17.0.14"\n')
    before = class_archive.place(tmp_path)
    (tmp_path / "release").write_text('JAVA_VERSION="17.0.15"\n')
    after = class_archive.place(tmp_path)
    assert before
    assert after
    assert before != after
    assert before.parent == after.parent == tmp_path / "jars" / "classes"
    monkeypatch.setattr("pyspark.__version__", "4.1.2")
    assert class_archive.place(tmp_path) not in (before, after)
