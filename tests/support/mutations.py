"""Seeded mutations of good events at every level: fields, tokens, structure, spelling, characters, bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from random import Random

FIELDS = ("event_id", "user_id", "product_id", "event_time", "quantity", "unit_price")
BLANKS = ("", "", "", " ", "  ", "\n", "\t", "\r\n", "\x0b", "\x0c", "\u00a0")
# What JSON, numbers and times consist of, what resembles it, and what is lost or hidden on the way.
CHARACTERS: tuple[str, ...] = (
    *'{}[]:,"\\/0123456789-+.eEuTtZzx #~!?_a',
    *"\0\x01\t\n\x1b\x7f\x85\u0130\u0661\uff11\uff3a\ufeff\ufffd\uffff\u202e\u2028ë🍵",
)
WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity", "nul", "True", "[]", "{}", '["x"]', "[1]")
TEXTS = (
    "",
    "7",
    "-1",
    "1.50",
    "true",
    "null",
    "a?",
    "?",
    "~x",
    "#1",
    "!",
    "e-1",
    "Zoë",
    "🍵",
    "\0",
    '"',
    "\\",
)
TIMES = (
    *(
        "2024-03-01T10:00:00Z",
        "2024-03-01t10:00:00z",
        "2024-03-01T10:00:00.5+05:30",
        "2024-02-29T00:00:00-11:00",
    ),
    *("2024-03-01T10:10:05Z", "2024-03-01T10:10:05.000001Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"),
    *("2024-03-01T09:59:59.123456789Z", "2024-03-01T10:00:00+18:00", "2024-03-01T10:00:00-18:01"),
    *(
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00",
        "2024-03-01T24:00:00Z",
        "2023-02-29T00:00:00Z",
    ),
)


def mutate(seed: int, count: int) -> list[bytes | None]:
    """Return `count` messages, each a good event with one to four mutations; some stay good."""
    random = Random(seed)
    return [_message(random, number) for number in range(count)]


def _message(random: Random, number: int) -> bytes | None:
    fields = _good(random, number)
    for mutation in random.choices(ON_FIELDS, k=random.choice((0, 1, 1, 2))):
        mutation(random, fields)
    text = _render(random, fields)
    for change in random.choices(ON_TEXT, k=random.choice((0, 0, 1, 1, 2))):
        text = change(random, text)
    value = text.encode("utf-8", "surrogatepass")
    return random.choice(ON_BYTES)(random, value) if random.random() < 0.08 else value


Fields = list[tuple[str, str]]
"""Names and tokens as in JSON, the names in quotes."""


def _good(random: Random, number: int) -> Fields:
    tokens = {
        "event_id": json.dumps(f"e-{number}"),
        "user_id": json.dumps(random.choice(("ann", "7", "Zoë", "a?")), ensure_ascii=random.random() < 0.5),
        "product_id": json.dumps(random.choice(("tea", "4711", "-1"))),
        "event_time": json.dumps(random.choice(TIMES[:4])),
        "quantity": str(random.choice((1, 2, 3, 2147483647))),
        "unit_price": random.choice(("1.50", '"1.50"', "0", "19.99", "249.0", "12345678.9", "3")),
    }
    return [(json.dumps(name), tokens[name]) for name in FIELDS]


# --- fields -----------------------------------------------------------------------------------------------


def _token(random: Random) -> str:
    kind = random.random()
    if kind < 0.3:
        return _number(random)
    if kind < 0.4:
        return json.dumps(_number(random))
    if kind < 0.55:
        return json.dumps(random.choice(TIMES))
    if kind < 0.7:
        return random.choice(WORDS)
    if kind < 0.75:
        return json.dumps("ë" * random.choice((511, 512, 513)), ensure_ascii=random.random() < 0.5)
    if kind < 0.85:
        return '"' + "".join(random.choices(HALVES, k=random.randint(1, 3))) + '"'
    return json.dumps(random.choice(TEXTS), ensure_ascii=random.random() < 0.5)


HALVES = (r"\ud83d", r"\ude00", r"\uD83C", r"\udf75", r"\ud83c\udf75", r"\\ud83d", "j", "?", r"\u0000", r"\n")


def _number(random: Random) -> str:
    digits = "".join(random.choices("0000123459", k=random.choice((1, 1, 2, 3, 9, 10, 16, 17))))
    whole = random.choice((digits, digits.lstrip("0") or "0"))
    places = "".join(random.choices("00059", k=random.choice((1, 2, 2, 3, 15, 20))))
    fraction = random.choice(("", "", f".{places}"))
    exponent = random.choice(
        ("", "", "", f"e{random.choice(('', '-', '+'))}{random.choice((0, 1, 2, 15, 400))}")
    )
    return random.choice(("", "", "-")) + whole + fraction + exponent


def _other_token(random: Random, fields: Fields) -> None:
    at = random.randrange(len(fields))
    fields[at] = fields[at][0], _token(random)


def _left_out(random: Random, fields: Fields) -> None:
    if len(fields) > 1:
        del fields[random.randrange(len(fields))]


def _given_twice(random: Random, fields: Fields) -> None:
    name, token = random.choice(fields)
    fields.insert(random.randrange(len(fields) + 1), (name, random.choice((token, _token(random)))))


def _other_name(random: Random, fields: Fields) -> None:
    at = random.randrange(len(fields))
    name = random.choice((*FIELDS, "more", "EVENT_ID", "event_id ", "~user_id", ""))
    fields[at] = json.dumps(name), fields[at][1]


def _unknown(random: Random, fields: Fields) -> None:
    inner = ",".join(
        f'"{random.choice((*FIELDS, "a"))}":{_token(random)}' for _ in range(random.randint(0, 3))
    )
    listed = f"[{_token(random)},{{{inner}}}]"
    quoted = json.dumps("{" + inner + "}")
    token = random.choice((f"{{{inner}}}", listed, quoted, _token(random)))
    fields.insert(random.randrange(len(fields) + 1), ('"more"', token))


def _shuffled(random: Random, fields: Fields) -> None:
    random.shuffle(fields)


ON_FIELDS: tuple[Callable[[Random, Fields], None], ...] = (
    *(_other_token, _other_token, _other_token, _left_out, _given_twice, _given_twice),
    *(_other_name, _unknown, _unknown, _shuffled),
)


# --- text -------------------------------------------------------------------------------------------------


def _render(random: Random, fields: Fields) -> str:
    blanks = BLANKS[:7] if random.random() < 0.3 else ("", " ") if random.random() < 0.4 else ("",)

    def blank() -> str:
        return random.choice(blanks)

    members = (f"{blank()}{name}{blank()}:{blank()}{token}{blank()}" for name, token in fields)
    return blank() + "{" + ",".join(members) + "}" + blank()


def _inserted(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(CHARACTERS) + text[at:]


def _deleted(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + text[at + 1 :]


def _replaced(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(CHARACTERS) + text[at + 1 :]


def _escaped(random: Random, text: str) -> str:
    """Return the text with one letter or digit escaped by its number, now and then misspelled."""
    places = [at for at, one in enumerate(text) if one.isalnum() or one in "_?-"]
    if not places:
        return text
    at = random.choice(places)
    code = random.choice((f"{ord(text[at]) & 0xFFFF:04x}", f"{ord(text[at]) & 0xFFFF:04X}"))
    if random.random() < 0.15:
        code = code[:3] + random.choice("\u0130\uff11g")
    return text[:at] + "\\u" + code + text[at + 1 :]


def _blank_somewhere(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(BLANKS[3:]) + text[at:]


def _wrapped(random: Random, text: str) -> str:
    ways = (f"[{text}]", json.dumps(text), text + text, f"{text}\n{text}", f"{text},{text}", f"{text},0]")
    return random.choice((*ways, f"\ufeff{text}", f"{text}{random.choice(CHARACTERS)}", f'{{"a":{text}}}'))


def _cut_off(random: Random, text: str) -> str:
    return text[: random.randrange(len(text) + 1)]


ON_TEXT: tuple[Callable[[Random, str], str], ...] = (
    *(_inserted, _inserted, _deleted, _replaced, _replaced, _escaped, _escaped, _escaped),
    *(_blank_somewhere, _blank_somewhere, _wrapped, _cut_off),
)


# --- bytes ------------------------------------------------------------------------------------------------


def _other_byte(random: Random, value: bytes) -> bytes:
    at = random.randrange(len(value) + 1)
    return value[:at] + bytes([random.randrange(256)]) + value[at + random.randrange(2) :]


ON_BYTES: tuple[Callable[[Random, bytes], bytes | None], ...] = (
    *(_other_byte, _other_byte, _other_byte),
    lambda _, value: None,
    lambda _, value: gzip.compress(value, mtime=0),
    lambda random, value: b"\0\0\0\0" + bytes([random.randrange(256)]) + value,
    lambda random, value: value.decode("utf-8", "replace").encode(
        random.choice(("utf-16", "utf-16-le", "utf-16-be"))
    ),
    lambda _, value: value.decode("utf-8", "replace").encode("latin-1", "replace"),
)
