import pytest

from sources.catalog import STREAMS, partition_of


# The vectors of UtilsTest.testMurmur2 in Apache Kafka's clients.
@pytest.mark.parametrize(
    ("key", "murmur2"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitions_are_those_of_any_java_producer(key: bytes, murmur2: int) -> None:
    assert partition_of(key, 2**31) == murmur2 & 0x7FFFFFFF
    assert partition_of(key, 7) == (murmur2 & 0x7FFFFFFF) % 7


def test_the_streams_topics_and_subscriptions_are_the_published_names() -> None:
    assert {s.name: (s.topic, s.subscription) for s in STREAMS.values()} == {
        "product-stream": ("product-stream-topic", "product-stream-subscription"),
        "browsing-stream": ("browsing-stream-topic", "browsing-stream-subscription"),
        "purchase-stream": ("purchase-stream-topic", "purchase-stream-subscription"),
    }
