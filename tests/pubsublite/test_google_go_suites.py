"""Google's integration tests of its Go client pass over the emulator: see google_go_suite.py."""

from pathlib import Path

import pytest

from pubsublite_emulator import Emulator
from tests.pubsublite.google_go_suite import build
from tests.pubsublite.pubsub_server import PubsubServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("go"),
    pytest.mark.timeout(1800),
]
ROOT = ["ResourceAdminOperations"]
SINGLE_PARTITION = [
    "AllFieldsRoundTrip", "CustomMessageTransformers", "Nack", "SubscriberMultipleReceive",
    "BlockingMessageReceiver", "Ordering", "SubscriberFlowControl", "LargeMessages",
    "CancelPublisherContext", "Finalizer", "CancelSubscriberContext", "IncreasePartitions",
]  # fmt: skip
MULTI_PARTITION = ["PublishRoutingNoKey", "PublishRoutingWithKey", "PartitionAssignment"]
SEEK = ["SeekToBeginning", "VerifyCommits", "SeekToEnd"]
PSCOMPAT = [
    "PublishSubscribeSinglePartition",
    *(f"PublishSubscribeSinglePartition/{name}" for name in SINGLE_PARTITION),
    "PublishSubscribeMultiPartition",
    *(f"PublishSubscribeMultiPartition/{name}" for name in MULTI_PARTITION),
    "SubscribeFanOut",
    "SeekSubscription",
    *(f"SeekSubscription/{name}" for name in SEEK),
]


def passes(lite: Emulator, pubsub: PubsubServer, package: str, expected: list[str], folder: Path) -> None:
    verdicts, printed = build(f"./{package}", folder).run(lite, "123456", PUBSUB_EMULATOR_HOST=pubsub.host)
    assert verdicts == {f"TestIntegration_{name}": "PASS" for name in expected}, printed


def test_the_root_suite_passes(lite: Emulator, pubsub: PubsubServer, tmp_path: Path) -> None:
    passes(lite, pubsub, ".", ROOT, tmp_path)


def test_pscompat_passes(lite: Emulator, pubsub: PubsubServer, tmp_path: Path) -> None:
    passes(lite, pubsub, "pscompat", PSCOMPAT, tmp_path)
