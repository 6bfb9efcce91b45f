"""Faults by order: a name that nothing has is refused, because its fault would never be seen."""

import pytest

from pubsublite_emulator import Emulator
from pubsublite_emulator.faults import Faults


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("rpc", "code", "said"),
    [
        ("GetTopics", "UNAVAILABLE", "no RPC is named 'GetTopics'; expected one of AssignPartitions, Cancel"),
        ("GetTopic", "BROKEN", "no code is named 'BROKEN'; expected one of CANCELLED, UNKNOWN, INVALID_ARG"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(lite: Emulator, rpc: str, code: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^fail_next: {said}"):
        lite.fail_next(rpc, code)


def test_without_an_emulator_there_is_nothing_to_fail() -> None:
    with pytest.raises(ValueError, match=r"expected one of those of an emulator that has been entered$"):
        Faults().fail_next("Publish", "UNAVAILABLE")
