import pytest

from sources.base import SourceError, load, names


def test_a_source_is_a_module_that_reads() -> None:
    assert {"kafka", "replay"} <= set(names())
    assert not {"catalog", "clients", "publishing", "replay_files"} & set(names())


def test_an_unknown_source_is_said_with_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"no source named 'kinesis'; known: kafka, .*replay"):
        load("kinesis")
