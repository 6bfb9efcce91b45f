"""The directory of a local Dataproc, which deletes what it created there and shares it with no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataproc_emulator import DataprocEmulator
from dataproc_emulator.__main__ import main
from dataproc_emulator.exports import elsewhere

FOREIGN = (
    "{} is not a Dataproc emulator's; expected nothing there, or what an emulator has made; "
    "remedy: another --directory"
)


@pytest.mark.parametrize(
    "place", ["jobs/mine.py", "spark/mine.py", "uploads/mine", "gs/mine", "gcloud/mine", "token"]
)
def test_what_it_has_not_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    mine = tmp_path / place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--directory", "."]) == 1
    refused = tmp_path / place.split("/")[0]
    assert capsys.readouterr().err == f"dataproc_emulator: {FOREIGN.format(refused)}\n"
    assert mine.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_what_took_the_place_of_its_own_stays(tmp_path: Path) -> None:
    with DataprocEmulator(directory=tmp_path) as dataproc:
        jobs = dataproc.files.jobs
    jobs.rename(tmp_path / "away")
    jobs.mkdir()
    (jobs / "mine.py").write_text("mine")
    with (
        pytest.raises(FileExistsError, match="is not a Dataproc emulator's"),
        DataprocEmulator(directory=tmp_path),
    ):
        pass
    assert (jobs / "mine.py").read_text() == "mine"


def test_a_run_clears_away_what_the_last_one_left_but_its_objects(tmp_path: Path) -> None:
    (tmp_path / "neighbour.txt").write_text("mine")
    with DataprocEmulator(directory=tmp_path) as dataproc:
        for place in (
            dataproc.files.jobs / "a",
            dataproc.files.uploads / "b.part",
            dataproc.files.buckets / "c",
        ):
            place.parent.mkdir(exist_ok=True)
            place.write_text("x")
        outside = dataproc.files.jobs / "link"
        outside.symlink_to(tmp_path / "neighbour.txt")
    with DataprocEmulator(directory=tmp_path) as dataproc:
        kept = [
            place
            for place in tmp_path.rglob("[!.]*")
            if place.is_file() and not place.is_relative_to(dataproc.files.spark)
        ]
        assert sorted(place.name for place in kept) == [
            "c", "emulator.json", "neighbour.txt",
            "pubsublite-spark-sql-streaming-1.0.0-with-dependencies.jar",
            "pubsublite-spark-sql-streaming-LATEST-with-dependencies.jar",
            "token",
        ]  # fmt: skip


def test_two_cannot_share_it(tmp_path: Path) -> None:
    with DataprocEmulator(directory=tmp_path) as first:
        said = f"an emulator runs over {tmp_path} at {first.address}; remedy: another directory"
        with pytest.raises(FileExistsError, match=said), DataprocEmulator(directory=tmp_path):
            pass
        with pytest.raises(FileExistsError, match=said):
            elsewhere(tmp_path, first.address, "of another")
        assert first.files.ready.exists()
    with DataprocEmulator(directory=tmp_path) as second:
        assert second.address


def test_a_container_is_reached_by_its_token_only(tmp_path: Path) -> None:
    with DataprocEmulator(directory=tmp_path / "container") as dataproc:
        refused = f"the emulator at {dataproc.address} refuses .*401.*; remedy: docker compose .* exec"
        with pytest.raises(ConnectionError, match=refused):
            elsewhere(tmp_path / "here", dataproc.address)
        token = dataproc.files.token.read_text()
        for given in (token, ""):  # the token is kept from the first call
            assert elsewhere(tmp_path / "here", dataproc.address, given).token.read_text() == token
