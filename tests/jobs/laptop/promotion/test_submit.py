"""`submit`: the plan's commands through the real gcloud, once, and a clear end if one fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.laptop.promotion import submit
from jobs.laptop.promotion.preflight import Stopped, asked
from jobs.laptop.promotion.step import Step
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from pubsublite_emulator import Emulator
from tests.jobs.laptop.promotion.plans import LITE, planned


@pytest.fixture
def lite_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lead this process's gcloud to a separate Pub/Sub Lite emulator."""
    with Emulator() as lite:
        for name, value in lite.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        monkeypatch.setenv("CLOUDSDK_CORE_DISABLE_FILE_LOGGING", "1")
        yield


@pytest.mark.slow
@pytest.mark.needs("gcloud")
@pytest.mark.usefixtures("lite_service")
def test_streams_are_made_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = planned(tmp_path / "dist", *LITE)
    (streams,) = [section for section in made.sections if section.title == "The streams, once"]
    for step in streams.steps:
        submit.run(step)
    assert "there already" not in capfd.readouterr().out
    topic, subscription = (
        json.loads(asked((*step.unless, "--format=json")).stdout) for step in streams.steps
    )
    assert topic["partitionConfig"] == {
        "capacity": {"publishMibPerSec": 4, "subscribeMibPerSec": 8}, "count": "2",
    }  # fmt: skip
    assert topic["retentionConfig"] == {"perPartitionBytes": "32212254720"}
    assert subscription["deliveryConfig"] == {"deliveryRequirement": "DELIVER_IMMEDIATELY"}
    for step in streams.steps:
        submit.run(step)
    assert capfd.readouterr().out.count("# - there already") == 2


@pytest.mark.needs("gcloud")
@pytest.mark.usefixtures("lite_service")
def test_the_first_failure_ends_it_with_gclouds_own_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = planned(tmp_path / "dist", *LITE)
    (subscription,) = [
        step for section in made.sections for step in section.steps if "its subscription" in step.purpose
    ]
    with pytest.raises(Stopped) as caught:
        submit.run(subscription)
    assert str(caught.value) == (
        "stopped at: product-stream: its subscription, from the oldest event on; gcloud ended with code 1 and"
        " said why above; remedy: fix that, then run the same command again"
    )
    assert "NOT_FOUND" in capfd.readouterr().err


def test_without_gcloud_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for step in (Step("x", ("gcloud", "info")), Step("x", ("gcloud", "info"), unless=("gcloud", "version"))):
        with pytest.raises(
            Stopped, match="no gcloud on PATH; expected the Google Cloud CLI; remedy: install"
        ):
            submit.run(step)


def test_a_refused_plan_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert submit.command(DISCOUNTS, [*LITE, "--scopes=sql", f"--output={tmp_path}"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "refused: --scopes sql" in said.err


def test_a_dry_run_is_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert submit.command(DISCOUNTS, [*LITE, "--dry-run", f"--output={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert "# The project, once (submit leaves this out without --setup)" in said
    assert "JOB_ID=$(gcloud dataproc jobs submit pyspark" in said
