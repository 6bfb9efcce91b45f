"""A real browser in front of the emulator: a page of somebody else's makes no topic and gets no token."""

import pytest

from pubsublite_emulator import Emulator
from tests.pubsublite.test_access import TOPICS, call
from tests.support.foreign_page import PLACES, foreign_page

pytestmark = pytest.mark.needs("chromium")


def test_a_page_in_a_browser_gets_nothing() -> None:
    body = '{"partitionConfig":{"count":1}}'
    requests = (("POST", f"{TOPICS}?topicId=evil", body), ("GET", TOPICS, None), ("POST", "/token", body))
    with Emulator() as lite, foreign_page() as page:
        port = int(lite.address.rpartition(":")[2])
        for method, path, sent in requests:
            answers = {place: page.send(place, method, port, path, sent) for place in PLACES}
            assert answers == dict.fromkeys(PLACES, 403), path
        assert call(lite, "GET", TOPICS) == (200, {})
        assert (
            call(lite, "POST", f"{TOPICS}?topicId=evil", body.encode(), Content_Type="text/plain")[0] == 200
        )
