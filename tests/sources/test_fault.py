"""A fault: one record, one line."""

import pytest

from sources.base import SourceError
from sources.fault import Fault


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault("a: b"), "a: b"),
        (Fault("a: b", expected="c"), "a: b; expected c"),
        (Fault("a: b", remedy="d"), "a: b; remedy: d"),
        (SourceError("a: b", expected="c", remedy="d"), "a: b; expected c; remedy: d"),
    ],
)
def test_it_is_one_line(fault: Fault, line: str) -> None:
    assert str(fault) == line
