"""Flat JSON objects, as most events are, read by one regular expression at less than half the parser's cost.

A flat object is on one line, with at most one blank after a colon or comma. It has all of an event's fields:
strings without escapes and numbers that fit a decimal(18,2). It may also have members that the event does not
need: strings, numbers, words, and lists and objects of those. The expression is the grammar of RFC 8259 for
such texts, so whatever it reads needs no further check; all other texts are left to the parser.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

_PRICE = r"(?:0|[1-9][0-9]{0,12}+)(?:\.[0-9]{1,2})?+"
_TOKENS = {"quantity": "[1-9][0-9]{0,8}+", "unit_price": rf'{_PRICE}|"{_PRICE}"'}

# Each character is listed by itself because Java looks up a list in a table, but not a range within it.
_PLAIN = r'[^"\\' + "".join(rf"\x{code:02x}" for code in range(32)) + "]"
_STRING = rf'"{_PLAIN}*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}+){_PLAIN}*)*+"'
_NUMBER = r"-?+(?:0|[1-9][0-9]{0,30}+)(?:\.[0-9]{1,30}+)?+(?:[eE][-+]?+[0-9]{1,3}+)?+(?![0-9])"
_ONE = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"


def read(value: Column, names: Sequence[str]) -> Column:
    """Return a flat object's fields, one per line, and any other text unchanged."""
    lines = "\n".join(f"${2 * number + 1}" for number in range(len(names)))
    return F.regexp_replace(value.cast("string"), _object(names), lines)


def is_read(value: Column, lines: Column) -> Column:
    """Return whether `read` made these lines from a flat object, whose opening brace is then gone."""
    return F.startswith(value, F.lit(b"{")) & ~lines.startswith("{")


def fields(lines: Column, names: Sequence[str]) -> list[Column]:
    """Return the fields of the split lines; only a price can have quotes."""
    return [
        F.btrim(lines[number], F.lit('"')) if name == "unit_price" else lines[number]
        for number, name in enumerate(names)
    ]


def _object(names: Sequence[str]) -> str:
    """Return the expression for a flat object, in which a name's last value is group 1, 3 and so on.

    The empty groups in between serve the back-references at the end, which fail if their group took no part.
    Every repeated group is possessive, because Java would otherwise recurse for each repetition.
    """
    known = "|".join(rf'{name}": ?+{_known(name)}()' for name in names)
    other = rf'(?!(?:{"|".join(names)})"){_PLAIN}*": ?+'
    members = rf'\{{(?:"{other}{_ONE}(?:, ?+(?=")|(?=\}})))*+\}}'
    items = rf"\[(?:{_ONE}(?:, ?+(?!\])|(?=\])))*+\]"
    member = rf'"(?:{known}|{other}(?:{_ONE}|{members}|{items}))'
    every = "".join(rf"\{2 * number + 2}" for number in range(len(names)))
    return rf'^\{{(?:{member}(?:, ?+(?=")|(?=\}}\z)))++\}}\z{every}'


def _known(name: str) -> str:
    return f"({_TOKENS[name]})" if name in _TOKENS else f'"({_PLAIN}+)"'
