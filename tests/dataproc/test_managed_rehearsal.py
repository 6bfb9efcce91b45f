"""The page on Managed Kafka, walked on both images, and what a missing role does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dataproc_emulator import exports
from dataproc_emulator.files import Files
from sources import kafka
from sources.catalog import PRODUCT
from tests.containers import published
from tests.containers.stack import table_rows
from tests.dataproc.gcloud import REGION, Gcloud, eventually
from tests.sources.test_contract import options_of
from tests.support.reader import Shell, blocks
from tests.support.reference import Event, Message

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(900)]

ACCOUNT = "serviceAccount:123456-compute@developer.gserviceaccount.com"


MODERN = pytest.param("3.0-debian13", marks=pytest.mark.needs("python3.12"))


@pytest.mark.parametrize("image", ["2.3-debian12", MODERN])
def test_the_page_is_walked_and_a_job_without_the_role_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    start, submit, account, publish, read = blocks("managed-kafka")
    (modern,) = blocks("managed-kafka-3.0")
    submit = submit.replace("2.3-debian12", image)
    files = Files(tmp_path / "dataproc")
    table = files.buckets / "my-bucket" / "discounts"
    with Shell(tmp_path) as shell:
        shell.type(start)
        if image.startswith("3.0"):
            shell.type(modern, 600)
        submitted = shell.type(submit, 400)
        shell.type(account)
        shell.type(publish)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(files.directory / "publisher.json"))
        expected = published.discounts(orders(files), timedelta(minutes=1))
        assert len(expected) > 3
        eventually(lambda: table_rows(table) == expected)
        assert f"[{len(expected)} rows x 9 columns]" in shell.type(read)

        gcloud = Gcloud({**os.environ, **exports.environment(*exports.running(files.directory), {})})
        (job,) = re.findall(r"^JOB_ID=(\S+)$", submitted, re.MULTILINE)
        gcloud.run("dataproc", "jobs", "kill", job, REGION)
        binding = (f"--member={ACCOUNT}", "--role=roles/managedkafka.client", "--condition=None")
        gcloud.run("projects", "remove-iam-policy-binding", "my-project", *binding)
        again = submit.replace("--setup", "--trigger available-now --checkpoint-root gs://my-bucket/other")
        (job,) = re.findall(r"^JOB_ID=(\S+)$", shell.type(again), re.MULTILINE)
        said = gcloud.run("dataproc", "jobs", "wait", job, REGION, code=1).stderr
        assert "streaming_product_discounts: SASL login refused by 127.0.0.1:" in said
        assert "remedy: grant roles/managedkafka.client to the account" in said


def orders(files: Files) -> list[Event]:
    """Return the valid orders that the broker has, each once."""
    return published.valid(messages(files), PRODUCT.name, timedelta(minutes=10))


def messages(files: Files) -> Iterator[Message]:
    """Yield everything in the orders' topic, read as the publisher."""
    address = (files.kafka / "events.us-central1.my-project" / "address").read_text()
    login = ("--kafka-auth=managed", f"--kafka-tls-ca={files.kafka / 'ca.pem'}")
    for record in kafka.records(PRODUCT, options_of(kafka, f"--kafka-bootstrap-servers={address}", *login)):
        if record is None:
            return
        assert record.published_at
        yield Message(record.offset, record.value, record.published_at)
