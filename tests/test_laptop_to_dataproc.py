"""The page "From laptop to Dataproc" (jobs/laptop/promotion/README.md), followed command by command.

gcloud makes the streams and starts both jobs, the notebook publishes, the insights are in the bucket, the
jobs are stopped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from dataproc_emulator import exports as dataproc_exports
from pubsublite_emulator import exports as lite_exports
from sources import base as source
from sources import pubsublite
from sources.catalog import BROWSING, PURCHASE, STREAMS
from sources.pubsublite.cursors import heads
from tests.containers import published
from tests.containers.stack import table_rows
from tests.dataproc.gcloud import Gcloud, eventually, states
from tests.sources.test_contract import options_of
from tests.support.lite import copy_authority
from tests.support.publishing import publish_all
from tests.support.reader import Shell, blocks
from tests.support.reference import Event, Message

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(900)]

MINUTE = timedelta(minutes=1)
WITHIN = timedelta(minutes=30)
SECONDS = 240
"""Seconds from the last event to the last row: the connector looks for new messages once a minute."""
NEXT_DAY = datetime(2026, 1, 2, 12, tzinfo=UTC)
STOPPED = ["PENDING", "SETUP_DONE", "RUNNING", "CANCEL_PENDING", "CANCELLED"]
PUBSUBLITE = ("--pubsublite-project=123456", "--pubsublite-location=us-central1-a")


def test_the_page_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_authority(tmp_path / "pubsublite")
    plan, rehearsal, submit, publish, read = blocks("dataproc")
    here = tmp_path / "dataproc"
    bucket = here / "gs" / "my-bucket"
    with Shell(tmp_path) as shell:
        assert "gcloud dataproc jobs submit pyspark" in shell.type(plan)
        assert re.search(r"^spark-streaming\s", shell.type(rehearsal), re.MULTILINE)
        for name, value in lite_exports.environment(
            *lite_exports.running(tmp_path / "pubsublite"), {}
        ).items():
            monkeypatch.setenv(name, value)

        submitted = shell.type(submit)
        jobs = re.findall(r"^JOB_ID=(\S+)$", submitted, re.MULTILINE)
        assert len(jobs) == 2
        shell.type(publish, 400)
        orders, views, purchases = (events(name) for name in STREAMS)
        assert (len(orders), len(views), len(purchases)) == (61, 280, 22)
        discounts = published.discounts(orders, MINUTE)
        assert len(discounts) == 37
        eventually(lambda: table_rows(bucket / "discounts") == discounts, SECONDS)
        assert "[37 rows x 9 columns]" in shell.type(read)

        publish_an_end()
        popular = published.recommendations(purchases, views, 10 * MINUTE, WITHIN, NEXT_DAY)
        assert len(popular) == 12
        eventually(lambda: table_rows(bucket / "popular") == popular, SECONDS)

        gcloud = Gcloud({**os.environ, **dataproc_exports.environment(*dataproc_exports.running(here), {})})
        stops = re.findall(r"^# Stop\n# - .*\n(gcloud .*)$", submitted, re.MULTILINE)
        for job, stop in zip(jobs, stops, strict=True):
            shell.type(f"JOB_ID={job}\n{stop}")
            assert states(gcloud.job(job)) == STOPPED


def publish_an_end() -> None:
    """Publish a view and a purchase of the next day, which make the first day's windows final."""
    fields = f'"user_id":"ann","product_id":"mug","event_time":"{NEXT_DAY.isoformat()}"'
    order = ',"quantity":1,"unit_price":"1.00"'
    values = {BROWSING: f'{{"event_id":"end",{fields}}}', PURCHASE: f'{{"event_id":"end",{fields}{order}}}'}
    publish_all(
        pubsublite,
        options_of(pubsublite, *PUBSUBLITE),
        [source.Message(stream.name, b"ann", value.encode(), None) for stream, value in values.items()],
    )


def events(stream: str) -> list[Event]:
    """Return the valid events of a stream, each once."""
    return published.valid(messages(stream), stream, 10 * MINUTE)


def messages(stream: str) -> Iterator[Message]:
    """Yield everything in a stream's topic."""
    options = options_of(pubsublite, *PUBSUBLITE)
    count = sum(heads(STREAMS[stream], options).values())
    for record in islice(filter(None, pubsublite.records(STREAMS[stream], options)), count):
        assert record.published_at
        yield Message(record.offset, record.value, record.published_at)
