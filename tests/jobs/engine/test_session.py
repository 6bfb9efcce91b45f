"""A session's demands on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.engine import session


@pytest.mark.parametrize(
    ("limit", "memory"),
    [("1342177280", "640m"), ("max", "1024m"), ("9223372036854771712", "1024m"), (None, "1024m")],
)
def test_the_driver_takes_half_of_its_container_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, memory: str
) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**19}.__getitem__)
    monkeypatch.setattr(session, "CONTAINER_LIMITS", (tmp_path / "missing", tmp_path / "limit"))
    if limit:
        (tmp_path / "limit").write_text(f"{limit}\n")
    assert session.local_settings(())["spark.driver.memory"] == memory


def test_a_session_uses_the_cores_that_its_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 4, 6})
    settings = session.local_settings(())
    assert (settings["spark.master"], settings["spark.sql.shuffle.partitions"]) == ("local[3]", "3")


def test_cloud_storage_is_googles_unless_gcloud_is_led_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", raising=False)
    root = "spark.hadoop.fs.gs.storage.root.url"
    assert root not in session.local_settings(["gs"])
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", "http://127.0.0.1:8998/storage/v1/")
    assert session.local_settings(["gs"])[root] == "http://127.0.0.1:8998/"
    assert root not in session.local_settings([])
