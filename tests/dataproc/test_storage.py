"""Buckets and objects, as a promotion moves them."""

from __future__ import annotations

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from dataproc_emulator import DataprocEmulator
from tests.dataproc.gcloud import Gcloud

pytestmark = pytest.mark.needs("gcloud")

MEBIBYTE = 1 << 20


def test_files_go_up_and_come_down(
    gcloud: Gcloud, dataproc: DataprocEmulator, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "small.txt").write_bytes(b"two\r\n\r\nlines\r\n")
    # More than gcloud sends in one request.
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 4096 * 9)
    names = ("small.txt", "large.bin")
    gcloud.run("storage", "cp", *(str(tmp_path / name) for name in names), f"{bucket}/up/")
    folder = dataproc.files.buckets / "rehearsal" / "up"
    assert [(folder / name).read_bytes() == (tmp_path / name).read_bytes() for name in names] == [True, True]
    (tmp_path / "down").mkdir()
    gcloud.run("storage", "cp", "--recursive", f"{bucket}/up", str(tmp_path / "down"))
    down = list((tmp_path / "down").rglob("*.*"))
    assert {file.name: file.stat().st_size for file in down} == {"small.txt": 14, "large.bin": 9 * MEBIBYTE}
    listed = gcloud.run("storage", "ls", "--recursive", f"{bucket}/up").stdout.split()
    assert listed == [f"{bucket}/up/:", f"{bucket}/up/large.bin", f"{bucket}/up/small.txt"]


def test_no_clobber_keeps_what_is_there_and_copies_stay_in_the_cloud(
    gcloud: Gcloud, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("first")
    gcloud.run("storage", "cp", str(tmp_path / "kept.txt"), f"{bucket}/")
    (tmp_path / "kept.txt").write_text("second")
    gcloud.run("storage", "cp", str(tmp_path / "kept.txt"), f"{bucket}/", "--no-clobber")
    gcloud.run("storage", "cp", f"{bucket}/kept.txt", f"{bucket}/copied.txt")
    assert gcloud.run("storage", "cat", f"{bucket}/copied.txt").stdout == "first"


def test_what_is_removed_is_gone(
    gcloud: Gcloud, dataproc: DataprocEmulator, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "leaf").write_text("x")
    gcloud.run("storage", "cp", "--recursive", str(tmp_path / "tree"), bucket)
    gcloud.run("storage", "rm", "--recursive", f"{bucket}/tree")
    assert not (dataproc.files.buckets / "rehearsal" / "tree").exists()
    refused = gcloud.run("storage", "rm", f"{bucket}/tree/deep/leaf", code=1)
    assert "matched no objects" in refused.stderr


def test_buckets(gcloud: Gcloud, bucket: str, tmp_path: Path) -> None:
    assert gcloud("storage", "buckets", "describe", bucket)["location"] == "US-CENTRAL1"
    assert "not found: 404" in gcloud.run("storage", "buckets", "describe", "gs://nobodys", code=1).stderr
    taken = gcloud.run("storage", "buckets", "create", bucket, code=1).stderr
    assert "ALREADY_EXISTS: The requested bucket name is not available: rehearsal" in taken
    (tmp_path / "file").write_text("x")
    assert "nobodys" in gcloud.run("storage", "cp", str(tmp_path / "file"), "gs://nobodys/", code=1).stderr
    gcloud.run("storage", "buckets", "create", "gs://fleeting")
    assert "gs://fleeting/" in gcloud.run("storage", "ls").stdout
    gcloud.run("storage", "buckets", "delete", "gs://fleeting")
    assert "gs://fleeting/" not in gcloud.run("storage", "ls").stdout


def test_an_upload_in_parts_is_taken_up_where_it_broke_off(
    dataproc: DataprocEmulator, gcloud: Gcloud, bucket: str
) -> None:
    place = f"http://{dataproc.address}/upload/storage/v1/b/rehearsal/o?uploadType=resumable&name=parts"
    bearer = {"Authorization": f"Bearer {dataproc.files.token.read_text()}"}
    with urlopen(Request(place, b"{}", bearer, method="POST")) as begun:
        upload = begun.headers["Location"]

    def put(content: bytes, where: str) -> tuple[int, str | None]:
        try:
            with urlopen(
                Request(upload, content, {**bearer, "Content-Range": where}, method="PUT")
            ) as answer:
                return answer.status, None
        except HTTPError as error:
            with error:
                return error.code, error.headers["Range"]

    assert put(b"", "bytes */6") == (308, None)
    assert put(b"abcd", "bytes 0-3/6") == (308, "bytes=0-3")
    assert put(b"", "bytes */6") == (308, "bytes=0-3")
    assert put(b"f", "bytes 5-5/6") == (308, "bytes=0-3")  # the bytes in between are missing
    assert put(b"CDef", "bytes 2-5/6") == (200, None)
    assert (dataproc.files.buckets / "rehearsal" / "parts").read_bytes() == b"abCDef"


def test_googles_public_jars_can_be_read_only(gcloud: Gcloud, tmp_path: Path) -> None:
    jar = "gs://spark-lib/pubsublite/pubsublite-spark-sql-streaming-LATEST-with-dependencies.jar"
    assert gcloud.run("storage", "ls", jar).stdout.strip() == jar
    (tmp_path / "file").write_text("x")
    refused = gcloud.run("storage", "cp", str(tmp_path / "file"), "gs://spark-lib/", code=1)
    assert "it can only be read" in refused.stderr


def test_apis_are_switched_on(gcloud: Gcloud) -> None:
    gcloud.run("services", "enable", "dataproc.googleapis.com", "storage.googleapis.com")
    enabled = gcloud("services", "list", "--enabled")
    assert [one["config"]["name"] for one in enabled] == ["dataproc.googleapis.com", "storage.googleapis.com"]
