"""A real browser in front of a local Dataproc: a page of somebody else's starts no job and sees none."""

from __future__ import annotations

import json

import pytest

from tests.dataproc.calls import call
from tests.dataproc.served import Served
from tests.dataproc.test_access import EVIL, JOBS
from tests.support.foreign_page import PLACES, foreign_page

pytestmark = pytest.mark.needs("chromium")


def test_a_page_in_a_browser_starts_no_job_and_sees_none(served: Served) -> None:
    port = int(served.address.rpartition(":")[2])
    wanted = json.dumps({"job": EVIL})
    with foreign_page() as page:
        submitted = {place: page.send(place, "POST", port, f"{JOBS}:submit", wanted) for place in PLACES}
        listed = {place: page.send(place, "GET", port, JOBS) for place in PLACES}
    assert submitted == listed == dict.fromkeys(PLACES, 403)
    assert call(served, "GET", JOBS) == (200, {"jobs": []})
    assert call(served, "POST", f"{JOBS}:submit", wanted.encode(), Content_Type="text/plain")[0] == 200
