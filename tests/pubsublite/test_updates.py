"""Updates by mask: both ways to write one, and a path that names no field."""

import json
import logging
import urllib.request
from typing import Any

import pytest
from google.cloud.pubsublite.types import TopicPath
from google.cloud.pubsublite_v1 import Topic
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from pubsublite_emulator import Emulator

pytestmark = pytest.mark.parametrize("storage", ["memory"], indirect=True)


def test_a_path_that_names_no_field_changes_nothing(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Send the mask of Google's Python sample, whose last path is misspelt."""
    topic = make.topic()
    body = Topic(
        name=str(topic),
        partition_config={"capacity": {"publish_mib_per_sec": 16, "subscribe_mib_per_sec": 32}},
        retention_config={"per_partition_bytes": 32 << 30, "period": Duration(seconds=14 * 86_400)},
        reservation_config={"throughput_reservation": "projects/1/locations/us-central1/reservations/none"},
    )
    paths = [
        "partition_config.capacity",
        "retention_config.per_partition_bytes",
        "retention_config.period",
        "reservation_confing.throughput_reservation",
    ]
    with caplog.at_level(logging.WARNING, "pubsublite_emulator"):
        updated = make.admin.update_topic(body, FieldMask(paths=paths))
    assert updated.partition_config.capacity.publish_mib_per_sec == 16
    assert updated.retention_config.per_partition_bytes == 32 << 30
    assert updated.reservation_config.throughput_reservation == ""
    said = "update_mask 'reservation_confing.throughput_reservation': Topic has no such field; ignored"
    assert [one.getMessage() for one in caplog.records if "update_mask" in one.getMessage()] == [said]


def patched(lite: Emulator, topic: TopicPath, mask: str, body: dict[str, Any]) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://{lite.address}/v1/admin/{topic}?updateMask={mask}"
    request = urllib.request.Request(url, json.dumps(body).encode(), method="PATCH")
    with opener.open(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    "mask",
    [
        "partitionConfig.count,retentionConfig.perPartitionBytes",
        "partition_config.count,retention_config.per_partition_bytes",
    ],
)
def test_a_mask_may_be_written_in_either_way(lite: Emulator, make: Any, mask: str) -> None:
    body = {"partitionConfig": {"count": "2"}, "retentionConfig": {"perPartitionBytes": str(33 << 30)}}
    shown = patched(lite, make.topic(), mask, body)
    assert shown["partitionConfig"]["count"] == "2"
    assert shown["retentionConfig"]["perPartitionBytes"] == "35433480192"
