"""The roles that a plan grants to the account of the cluster's machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.laptop.promotion.plans import IMAGE, PLACE, planned, warnings


@pytest.mark.parametrize(
    ("given", "what", "remedy"),
    [
        (["--project-number=1"], "--project", "--project ID (gcloud config get project)"),
        (
            ["--project=my-project"],
            "--project-number",
            "--project-number $(gcloud projects describe my-project --format='value(projectNumber)'), or "
            "--service-account EMAIL",
        ),
    ],
)
def test_roles_that_nobody_is_granted_are_told(
    tmp_path: Path, given: list[str], what: str, remedy: str
) -> None:
    place = [flag for flag in PLACE if not flag.startswith("--project")]
    table = ("--sink=bigquery", "--sink-table=insights.discounts")
    replayed = (*place, IMAGE, *given, "--source=kafka", "--kafka-bootstrap-servers=broker:9092", *table)
    assert warnings(planned(tmp_path, *replayed)) == [
        f"{what}: not given, so --setup grants the machines' account nothing; the job needs "
        f"roles/bigquery.dataEditor, roles/bigquery.jobUser; remedy: {remedy}"
    ]
