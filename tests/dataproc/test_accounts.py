"""Service accounts, their tokens and the policies that name them, asked for as Google's libraries do."""

from __future__ import annotations

import base64
import json
import time
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest
from google.auth import jwt
from google.auth.crypt import RSASigner
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from dataproc_emulator import DataprocEmulator
from tests.dataproc.calls import call, said

ACCOUNTS = "/v1/projects/my-project/serviceAccounts"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def post(dataproc: DataprocEmulator, path: str, body: object) -> tuple[int, Any]:
    return call(dataproc, "POST", path, json.dumps(body).encode())


def key(dataproc: DataprocEmulator, name: str) -> dict[str, str]:
    """Create an account and return a key of it."""
    assert post(dataproc, ACCOUNTS, {"accountId": name})[0] == 200
    status, made = post(dataproc, f"{ACCOUNTS}/{name}@my-project.iam.gserviceaccount.com/keys", {})
    assert status == 200
    return dict(json.loads(base64.b64decode(made["privateKeyData"])))


def exchange(dataproc: DataprocEmulator, **form: str) -> tuple[int, Any]:
    """Ask for a token as anybody may: without the emulator's own."""
    connection = HTTPConnection(dataproc.address, timeout=30)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST", "/token", urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def assertion(of: dict[str, str], **claims: object) -> str:
    signer = RSASigner.from_service_account_info(of)  # type: ignore[no-untyped-call]
    now = int(time.time())
    all_claims = {"iss": of["client_email"], "iat": now, "exp": now + 600, "scope": SCOPE, **claims}
    encoded: bytes = jwt.encode(signer, all_claims)  # type: ignore[no-untyped-call]
    return encoded.decode()


def test_an_account_is_created_once_and_shown(idle: DataprocEmulator) -> None:
    key(idle, "created-once")
    email = "created-once@my-project.iam.gserviceaccount.com"
    status, account = call(idle, "GET", f"{ACCOUNTS}/{email}")
    assert (status, account["email"], account["projectId"]) == (200, email, "my-project")
    assert said(post(idle, ACCOUNTS, {"accountId": "created-once"}))[0] == 409
    assert said(post(idle, ACCOUNTS, {"accountId": "No"})) == (
        400,
        "Invalid account id 'No'; expected [a-z]([-a-z0-9]{4,28}[a-z0-9])",
    )
    assert call(idle, "DELETE", f"{ACCOUNTS}/{email}") == (200, {})
    assert said(call(idle, "GET", f"{ACCOUNTS}/{email}")) == (404, f"Not found: Service account {email}")


def test_googles_library_gets_a_token_by_the_key_file(idle: DataprocEmulator) -> None:
    info = key(idle, "library")
    assert info["token_uri"] == f"http://{idle.address}/token"
    credentials = Credentials.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
    credentials.refresh(Request())
    assert credentials.token.startswith("ya29.local-")
    assert credentials.valid


def test_only_an_assertion_that_the_account_signed_gives_a_token(idle: DataprocEmulator) -> None:
    mine, others = key(idle, "account-mine"), key(idle, "account-other")
    assert exchange(idle, grant_type=GRANT, assertion=assertion(mine))[0] == 200
    forged = assertion(others, iss=mine["client_email"])
    late = assertion(mine, exp=int(time.time()) - 1)
    for form, error in (
        ({"assertion": forged, "grant_type": GRANT}, "invalid_grant"),
        ({"assertion": late, "grant_type": GRANT}, "invalid_grant"),
        ({"assertion": "a.b.c", "grant_type": GRANT}, "invalid_grant"),
        ({"assertion": assertion(mine), "grant_type": "password"}, "unsupported_grant_type"),
    ):
        status, answer = exchange(idle, **form)
        assert (status, answer["error"]) == (400, error)
    call(idle, "DELETE", f"{ACCOUNTS}/{mine['client_email']}")
    assert exchange(idle, grant_type=GRANT, assertion=assertion(mine))[0] == 400


def test_an_account_reaches_objects_as_far_as_its_role_goes(idle: DataprocEmulator) -> None:
    """Ask as Google's connector in Spark does, with a token of the account's own."""
    given = exchange(idle, grant_type=GRANT, assertion=assertion(key(idle, "reader")))[1]["access_token"]
    member = "serviceAccount:reader@my-project.iam.gserviceaccount.com"
    bucket = json.dumps({"name": "bucket-of-the-reader"}).encode()

    def answers(*roles: str) -> list[int]:
        bindings = [{"role": role, "members": [member]} for role in roles]
        post(idle, "/v1/projects/reading:setIamPolicy", {"policy": {"bindings": bindings}})
        jobs = "/v1/projects/my-project/regions/us-central1/jobs"
        asked = (("GET", "/storage/v1/b", None), ("POST", "/storage/v1/b", bucket), ("GET", jobs, None))
        return [call(idle, *one, Authorization=f"Bearer {given}")[0] for one in asked]

    assert answers() == [401, 401, 401]
    assert answers("roles/managedkafka.client") == [401, 401, 401]
    assert answers("roles/storage.objectViewer") == [200, 401, 401]
    assert answers("roles/storage.admin") == [200, 200, 401]
    call(idle, "DELETE", f"{ACCOUNTS}/reader@my-project.iam.gserviceaccount.com")
    assert call(idle, "GET", "/storage/v1/b", Authorization=f"Bearer {given}")[0] == 401


def test_a_policy_names_existing_accounts_and_is_not_overwritten(idle: DataprocEmulator) -> None:
    path = "/v1/projects/policy-project"
    old = post(idle, f"{path}:getIamPolicy", {})[1]
    assert old["bindings"] == []

    def replace(member: str, etag: str, role: str = "roles/dataproc.worker") -> tuple[int, Any]:
        policy = {"etag": etag, "bindings": [{"role": role, "members": [member]}]}
        return post(idle, f"{path}:setIamPolicy", {"policy": policy})

    compute = "serviceAccount:123456-compute@developer.gserviceaccount.com"
    status, new = replace(compute, old["etag"])
    assert (status, new["bindings"]) == (200, [{"role": "roles/dataproc.worker", "members": [compute]}])
    assert said(replace("user:ann@example.com", old["etag"])) == (
        409,
        "There were concurrent policy changes. Please retry the whole read-modify-write.",
    )
    nobody = "nobody@policy-project.iam.gserviceaccount.com"
    assert said(replace(f"serviceAccount:{nobody}", new["etag"])) == (
        400,
        f"Service account {nobody} does not exist.",
    )
    assert said(replace(compute, new["etag"], "worker"))[0] == 400
    assert post(idle, f"{path}:getIamPolicy", {})[1] == new


@pytest.mark.parametrize(
    ("machines", "reason"),
    [
        ({"internalIpOnly": True}, "Enable Private Google Access on subnetwork 'default'"),
        ({"serviceAccount": "nobody@a.iam.gserviceaccount.com"}, "Service account 'nobody@a.iam"),
        (
            {"subnetworkUri": "projects/p/regions/europe-west1/subnetworks/default"},
            "expected projects/PROJECT/regions/us-central1/subnetworks/NAME",
        ),
    ],
)
def test_a_cluster_that_its_network_or_account_would_not_carry_is_refused(
    idle: DataprocEmulator, machines: dict[str, object], reason: str
) -> None:
    config = {"gceClusterConfig": machines, "softwareConfig": {"imageVersion": "2.3-debian12"}}
    path = "/v1/projects/closed-project/regions/us-central1/clusters"
    status, message = said(post(idle, path, {"clusterName": "closed", "config": config}))
    assert (status, reason in message) == (400, True), message
