"""What Spark's JSON parser reads exactly, and a spelling of all other texts that it cannot misread.

The parser makes one of `4711` and `"4711"` where a string is asked for, rounds prices, and makes half a
surrogate pair a `?`. `typed` and `from_a_string` tell where none of that can have happened. For any other
text, `respelt` writes what a value is into the value itself, so that one parse tells it of the last
occurrence of a name, however deep or escaped the rest is. A respelt text is JSON where the text is, and only
there.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

STRING, HALF, OTHER = "~", "!", "#"
"""How a respelt value begins: a string, one with half a surrogate pair, a number or a word as it stands."""

# The text that the parser makes of a value that is no string, or none at all.
_OF_ANOTHER = r'^(?:\z|"|-?[0-9][-0-9.E]*+\z)'
# A price that is not plain, wherever in the text its name stands. The regular expression begins with a
# literal, by which Java finds it several times as fast.
_PRICE = r'"unit_price"\s*+:\s*+(?!("?+)[0-9]{1,13}(?:\.[0-9]{1,2})?+\1\s*+[,}])'
# An escaped letter could be one of a name, half a surrogate pair is lost, and the parser takes the low byte
# of a character beyond ASCII for a hexadecimal digit.
_ESCAPE = r"\\u(?:00[567]|[dD]|(?![0-9a-fA-F]{4}))"
_NO_ESCAPE = r"\\u(?![0-9a-fA-F]{4})"

_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE = rf"(?:{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW})"
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+"


def typed(value: Column, orders: bool) -> Column:
    """Return whether the parser reads the text's escapes and each `unit_price` as decimal(18,2) exactly.

    As a number or a string, a price has at most thirteen digits before the point and two behind it.
    """
    text = value.cast("string")
    escapes = F.contains(value, F.lit(b"\\u")) & text.rlike(_ESCAPE)
    return ~(escapes | text.rlike(_PRICE)) if orders else ~escapes


def from_a_string(text: Column) -> Column:
    """Return whether the parser can have made this text of a string only, and not of an empty one."""
    number = (text < ":") & text.rlike(_OF_ANOTHER)
    return ~(number | text.startswith("[") | text.startswith("{") | text.isin("true", "false"))


def respelt(value: Column) -> Column:
    """The text with each string marked by `STRING` or `HALF`, and each number, true, false and null of an
    object made a string marked by `OTHER`; names are not marked.

    No expression repeats a group, for Java would recur for each repetition and a long text end the stack.
    """
    text = F.regexp_replace(value.cast("string"), r"\\\\", r"\\u005c")
    text = F.regexp_replace(text, r'\\"', r"\\u0022")  # now every quote begins or ends a string
    text = F.regexp_replace(text, r'"([^"]*+)"', rf'"{STRING}$1"')  # and one with the mark begins one
    text = F.regexp_replace(text, rf'"{STRING}([^"]*?)({_LONE}[^"]*+)"', rf'"{HALF}$1\\$2"')
    word = rf"({_NUMBER}|true|false|null)(?=[ \t\r\n]*+[,}}])"
    text = F.regexp_replace(text, rf'("[~!][^"]*+"[ \t\r\n]*+:[ \t\r\n]*+){word}', rf'$1"{OTHER}$2"')
    return F.regexp_replace(text, r'"[~!]([^"]*+"[ \t\r\n]*+:)', '"$1')


def with_wrong_escapes(value: Column) -> Column:
    r"""Whether a `\u` has not four hexadecimal digits behind it, some of which the parser lets pass."""
    text = F.regexp_replace(value.cast("string"), r"\\\\", "")
    return F.contains(value, F.lit(b"\\u")) & text.rlike(_NO_ESCAPE)


def one_brace(value: Column) -> Column:
    """Whether the value has one closing brace, at its very end."""
    but_last = F.expr("substring(value, 1, octet_length(value) - 1)")
    return F.endswith(value, F.lit(b"}")) & ~F.contains(but_last, F.lit(b"}"))


def alone(value: Column) -> Column:
    """Whether the text is one JSON value and nothing else: the parser stops behind the first one.

    In an array before something that cannot be in it, it is the one value before that.
    """
    end = F.md5(value)
    array = F.concat(F.lit("["), value.cast("string"), F.lit(',"'), end, F.lit('"]'))
    return F.get_json_object(array, "$[1]").eqNullSafe(end)
