"""A call that the emulator does not know is refused, and its log says who made it."""

import json
import logging
import urllib.request
from urllib.error import HTTPError

import grpc
import pytest

from pubsublite_emulator import Emulator
from tests.pubsublite.raw import Channel

pytestmark = pytest.mark.parametrize("storage", ["memory"], indirect=True)

ROUTE = "/v1/admin/projects/1/topics"


def test_an_unknown_rpc_is_logged(lite: Emulator, channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pubsublite_emulator"):
        stream = channel.stream("PublisherService", "PublishTwice", "PublishResponse").send(b"")
        assert stream.refused() is grpc.StatusCode.UNIMPLEMENTED
    (line,) = [one.getMessage() for one in caplog.records if "PublishTwice" in one.getMessage()]
    assert line.startswith("grpc-python/")
    assert line.endswith(
        ": /google.cloud.pubsublite.v1.PublisherService/PublishTwice is not emulated; see UNSUPPORTED.md"
    )


def test_an_unknown_path_is_logged(lite: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://{lite.address}{ROUTE}", headers={"User-Agent": "probe/1 extra"})
    with caplog.at_level(logging.WARNING, "pubsublite_emulator"), pytest.raises(HTTPError) as refused:
        opener.open(request, timeout=30)
    with refused.value as answer:
        assert json.load(answer)["error"]["status"] == "UNIMPLEMENTED"
    said = f"REST probe/1: GET {ROUTE} is not emulated; see UNSUPPORTED.md"
    assert [one.getMessage() for one in caplog.records if ROUTE in one.getMessage()] == [said]
