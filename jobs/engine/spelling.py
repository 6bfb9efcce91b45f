"""Texts that Spark's JSON parser reads exactly, and a spelling of all others that it cannot misread.

If a string is asked for, the parser does not distinguish `4711` from `"4711"`; it also rounds prices and
turns half a surrogate pair into a `?`. `typed` and `from_a_string` recognize texts to which none of that can
have happened. For any other text, `respelt` writes a value's type into the value itself, so that one parse
yields the type of a name's last occurrence, however deep or escaped the rest is. A respelt text is JSON if
and only if the original is.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

STRING, HALF, OTHER = "~", "!", "#"
"""Prefixes of respelt values: a string, one with half a surrogate pair, a number or a word as it stands."""

# The text that the parser makes of a value that is not a string, or is missing.
_OF_ANOTHER = r'^(?:\z|"|-?[0-9][-0-9.E]*+\z)'
# A price that is not plain, wherever in the text its name occurs. The regular expression begins with a
# literal, which makes Java's search several times faster.
_PRICE = r'"unit_price"\s*+:\s*+(?!("?+)[0-9]{1,13}(?:\.[0-9]{1,2})?+\1\s*+[,}])'
# An escaped letter could be part of a name, half a surrogate pair is lost, and the parser takes the low byte
# of a non-ASCII character for a hexadecimal digit.
_ESCAPE = r"\\u(?:00[567]|[dD]|(?![0-9a-fA-F]{4}))"
_NO_ESCAPE = r"\\u(?![0-9a-fA-F]{4})"

_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE = rf"(?:{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW})"
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+"


def typed(value: Column, orders: bool) -> Column:
    """Return whether the parser reads the text's escapes, and each `unit_price` as decimal(18,2), exactly.

    A price, a number or a string, then has at most thirteen digits before the point and two after it.
    """
    text = value.cast("string")
    escapes = F.contains(value, F.lit(b"\\u")) & text.rlike(_ESCAPE)
    return ~(escapes | text.rlike(_PRICE)) if orders else ~escapes


def from_a_string(text: Column) -> Column:
    """Return whether the parser can have made this text only from a string that is not empty."""
    number = (text < ":") & text.rlike(_OF_ANOTHER)
    return ~(number | text.startswith("[") | text.startswith("{") | text.isin("true", "false"))


def respelt(value: Column) -> Column:
    """Return the text with marked values.

    Each string is marked by `STRING` or `HALF`; each number, true, false and null of an object becomes a
    string marked by `OTHER`; names are not marked. No expression repeats a group, because Java would recurse
    for each repetition and a long text would overflow the stack.
    """
    text = F.regexp_replace(value.cast("string"), r"\\\\", r"\\u005c")
    text = F.regexp_replace(text, r'\\"', r"\\u0022")  # now every quote begins or ends a string
    text = F.regexp_replace(text, r'"([^"]*+)"', rf'"{STRING}$1"')  # and one with the mark begins one
    text = F.regexp_replace(text, rf'"{STRING}([^"]*?)({_LONE}[^"]*+)"', rf'"{HALF}$1\\$2"')
    word = rf"({_NUMBER}|true|false|null)(?=[ \t\r\n]*+[,}}])"
    text = F.regexp_replace(text, rf'("[~!][^"]*+"[ \t\r\n]*+:[ \t\r\n]*+){word}', rf'$1"{OTHER}$2"')
    return F.regexp_replace(text, r'"[~!]([^"]*+"[ \t\r\n]*+:)', '"$1')


def with_wrong_escapes(value: Column) -> Column:
    r"""Return whether any `\u` lacks four hexadecimal digits after it; the parser accepts some of those."""
    text = F.regexp_replace(value.cast("string"), r"\\\\", "")
    return F.contains(value, F.lit(b"\\u")) & text.rlike(_NO_ESCAPE)


def one_brace(value: Column) -> Column:
    """Return whether the value has one closing brace, at its very end."""
    but_last = F.expr("substring(value, 1, octet_length(value) - 1)")
    return F.endswith(value, F.lit(b"}")) & ~F.contains(but_last, F.lit(b"}"))


def alone(value: Column) -> Column:
    """Return whether the text is one JSON value and nothing else: the parser stops after the first value.

    The text is put into an array, before an element that it cannot contain: if it is one value, that element
    is the second.
    """
    end = F.md5(value)
    array = F.concat(F.lit("["), value.cast("string"), F.lit(',"'), end, F.lit('"]'))
    return F.get_json_object(array, "$[1]").eqNullSafe(end)
