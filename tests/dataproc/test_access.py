"""Who may call a local Dataproc: anyone who holds the token, and no page in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataproc_emulator import DataprocEmulator
from dataproc_emulator.access import Access
from dataproc_emulator.errors import ApiError
from tests.dataproc.calls import call, said

JOBS = "/v1/projects/p/regions/us-central1/jobs"
EVIL = {
    "reference": {"jobId": "evil"},
    "placement": {"clusterName": "spark-streaming"},
    "pysparkJob": {"mainPythonFileUri": "file:///nowhere/evil.py"},
}
TOKEN = "the token"


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        (
            {"Host": "evil.example:80"},
            403,
            "Host 'evil.example:80' is not this emulator; expected localhost:",
        ),
        ({"Origin": "https://evil.example"}, 403, "Origin 'https://evil.example': pages of other sites"),
        ({"Origin": "null"}, 403, "Origin 'null': pages of other sites"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "Sec-Fetch-Site 'cross-site': pages of other sites"),
        ({"Sec_Fetch_Site": "same-site"}, 403, "Sec-Fetch-Site 'same-site': pages of other sites"),
        ({"Authorization": ""}, 401, "The request has no valid token; expected the one in the file 'token'"),
        ({"Authorization": "Bearer local-emulator-token"}, 401, "The request has no valid token"),
    ],
)
def test_a_page_cannot_submit_a_job(
    idle: DataprocEmulator, headers: dict[str, str], code: int, reason: str
) -> None:
    """Send it as a page would: `text/plain` needs no preflight."""
    sent = {"Content_Type": "text/plain", **headers}
    refused = said(call(idle, "POST", f"{JOBS}:submit", json.dumps({"job": EVIL}).encode(), **sent))
    assert (refused[0], refused[1].startswith(reason)) == (code, True), refused
    assert call(idle, "GET", JOBS) == (200, {"jobs": []})


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "PUT", "DELETE"])
def test_a_page_may_do_nothing_else_either(idle: DataprocEmulator, method: str) -> None:
    refused = call(idle, method, "/storage/v1/b/spark-lib", Origin="http://127.0.0.1:3000")
    assert said(refused) == (
        403,
        "Origin 'http://127.0.0.1:3000': pages of other sites may not call this emulator",
    )


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("localhost:8998", True),
        ("LOCALHOST:8998", True),
        ("127.0.0.1:8998", True),
        ("127.1.2.3:8998", True),
        ("[::1]:8998", True),
        ("localhost:4711", True),  # the port that compose publishes
        ("gate:4711", True),
        ("dataproc:8998", True),
        ("", False),
        ("localhost", False),
        ("localhost:8999", False),
        ("gate:8998", False),
        ("dataproc.evil.example:8998", False),
        ("localhost.evil.example:8998", False),
        ("localhost:8998@evil.example", False),
        ("evil@localhost:8998", False),
        ("192.168.1.1:8998", False),
        ("[::ffff:192.168.1.1]:8998", False),
    ],
)
def test_a_host_that_leads_here(host: str, welcome: bool) -> None:
    access = Access(TOKEN, 8998, ["gate:4711", "dataproc"])
    headers = {"host": host, "authorization": f"Bearer {TOKEN}"}
    if welcome:
        access.check(headers)
        access.check({**headers, "origin": f"http://{host}", "sec-fetch-site": "same-origin"})
    else:
        with pytest.raises(ApiError, match="is not this emulator"):
            access.check(headers)


def test_the_token_is_random_kept_and_the_owners(tmp_path: Path) -> None:
    tokens = []
    for directory in (tmp_path / "one", tmp_path / "one", tmp_path / "two"):
        with DataprocEmulator(directory=directory) as dataproc:
            assert dataproc.files.token.stat().st_mode & 0o077 == 0
            assert dataproc.env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] == str(dataproc.files.token)
            tokens.append(dataproc.files.token.read_text())
    assert tokens[0] == tokens[1] != tokens[2]
    assert [len(token) for token in tokens] == [43, 43, 43]
