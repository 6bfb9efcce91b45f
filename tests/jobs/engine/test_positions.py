"""The position from which a checkpoint continues, by what Spark has left in it."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.engine.positions import positions
from sources.kafka.offsets import gone, next_offsets

HEADER = 'v1\n{"batchWatermarkMs":0}\n'


def read(files: Mapping[str, str]) -> list[str]:
    def names(folder: str) -> list[str]:
        below = (path.removeprefix(f"{folder}/") for path in files if path.startswith(f"{folder}/"))
        return sorted({name.partition("/")[0] for name in below})

    return positions(names, lambda file: files[file])


def test_it_goes_on_behind_the_last_committed_batch() -> None:
    offsets = {f"offsets/{number}": f'{HEADER}{{"t":{{"0":{number}}}}}\n-' for number in (9, 10, 11)}
    assert read({**offsets, "commits/9": "v1", "commits/10": "v1"}) == ['{"t":{"0":10}}']


def test_it_goes_on_where_the_query_began_if_no_batch_is_committed() -> None:
    first = {"sources/0/0": '0v1\n{"t":{"0":3}}', "sources/1/0": '0v1\n{"t":{"0":4}}', "sources/1/1": "?"}
    assert read({**first, "offsets/0": f'{HEADER}{{"t":{{"0":7}}}}'}) == ['{"t":{"0":3}}', '{"t":{"0":4}}']


def test_what_is_torn_or_not_there_says_nothing() -> None:
    assert read({}) == []
    assert read({"commits/0": "", "offsets/0": f'{HEADER}{{"t":{{"0'}) == []
    assert read({"commits/0": "", "offsets/0": ""}) == []


def test_each_partition_counts_what_it_has_lost() -> None:
    going_on = next_offsets(['{"t":{"0":5,"1":7},"u":{"0":1}}', '{"t":{"0":4,"1":9}}'])
    assert going_on == {"t": {0: 4, 1: 7}, "u": {0: 1}}
    oldest = {"t": {0: 4, 1: 10}, "u": {0: 2}}
    assert gone(going_on, oldest) == (
        "3 events of t's partition 1 (offsets 7 to 9), 1 events of u's partition 0 (offsets 1 to 1)"
    )
    assert gone(going_on, going_on) == ""
    assert gone(going_on, {}) == ""
