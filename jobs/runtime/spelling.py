"""JSON texts that Spark's parser reads exactly, and a spelling of all others that it cannot misread.

The parser gives every field as text: it makes one of `4711` and `"4711"`, rounds numbers to a double and
half a surrogate pair to `?`. In a `plain` text none of that can happen. In any other, `respelt` writes what a
value is into the value itself, so that one parse tells it of the last occurrence of a name, however deep
or escaped the rest is. A respelt text is JSON where the text is, and only there.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

STRING, HALF, OTHER = "~", "!", "#"
"""How a respelt value begins: a string, one with half a surrogate pair, a number or a word as it stands."""

# A name's value that is not plain, wherever in the text the name stands. The regular expressions begin with
# literals, by which Java finds them several times as fast.
_NO_STRING = (r'_id"\s*+:\s*+[^"\s]', r'event_time"\s*+:\s*+[^"\s]')
_NAMED = r'"(?:event|user|product)_id"\s*+:\s*+[^"\s]|"event_time"\s*+:\s*+[^"\s]'
_QUANTITY = r'"quantity"\s*+:\s*+(?![1-9][0-9]{0,8}\s*+[,}])'
_PRICE = r'"unit_price"\s*+:\s*+(?!"?+[0-9]{1,13}(?:\.[0-9]{1,2})?+"?+\s*+[,}])'
# An escaped letter could be one of a name, half a surrogate pair is lost, and the parser takes the low byte
# of a character beyond ASCII for a hexadecimal digit.
_ESCAPE = r"\\u(?:00[567]|[dD]|(?![0-9a-fA-F]{4}))"
_NO_ESCAPE = r"\\u(?![0-9a-fA-F]{4})"

_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE = rf"(?:{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW})"
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+"


def plain(value: Column, orders: bool) -> Column:
    """Whether the parser reads each of an event's fields in this JSON exactly.

    Every field is a string, `quantity` an integer of one to nine digits, and `unit_price`, as a number or a
    string, has at most thirteen digits before the point and two behind it: a double holds it.
    """
    text = value.cast("string")
    names = reduce(or_, (text.rlike(pattern) for pattern in _NO_STRING)) & text.rlike(_NAMED)
    escapes = F.contains(value, F.lit(b"\\u")) & text.rlike(_ESCAPE)
    numbers = [text.rlike(_QUANTITY), text.rlike(_PRICE)] if orders else []
    return ~reduce(or_, [escapes, names, *numbers])


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
