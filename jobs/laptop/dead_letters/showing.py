"""Dead letters in readable form: a table of all, and a single one in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from jobs.engine.terminal import printable
from jobs.laptop.dead_letters.folder import Letter
from sources import instants

SHOWN = 60
"""The most characters of an example that the table shows."""
_HEADING = ("letters", "job", "source", "reason", "newest", "value")


def table(letters: Iterable[Letter]) -> list[str]:
    """Return a table's lines: a heading, then count and newest letter by job, source and kind of reason.

    The most frequent ones come first; the list is empty if there are no letters.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    newest: dict[tuple[str, str, str], Letter] = {}
    for letter in letters:
        of = letter.job, letter.source, letter.kind
        counts[of] += 1
        newest[of] = letter
    rows = [
        (f"{count:,}", *map(printable, of), newest[of].id, _example(newest[of].record.value))
        for of, count in counts.most_common()
    ]
    return _aligned([_HEADING, *rows]) if rows else []


def whole(letter: Letter) -> Iterator[str]:
    """Yield the lines that show a letter and everything known about it."""
    record = letter.record
    times = [time and instants.text(time) for time in (record.published_at, record.event_at)]
    yield from (
        f"{name:<14}{printable(text)}"
        for name, text in (
            ("job", letter.job),
            ("source", letter.source),
            ("file", str(letter.file)),
            ("stream", record.stream),
            ("partition", str(record.partition)),
            ("offset", str(record.offset)),
            ("published_at", times[0] or "null"),
            ("event_at", times[1] or "null"),
            ("key", _inline(record.key)),
            *(
                ("attribute", f"{name}: {_inline(value)}")
                for name, values in record.attributes.items()
                for value in values
            ),
            ("reason", letter.reason),
            ("value", "null" if record.value is None else f"{len(record.value):,} bytes"),
        )
    )
    # Indented further than any name above, so that no value can pass for one of them.
    yield from (f"  {line}" for line in _block(record.value or b""))


def _example(value: bytes | None) -> str:
    text = "null" if value is None else _inline(value[: 4 * SHOWN])
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _inline(value: bytes | None) -> str:
    """Return text as it is and other bytes as hexadecimal digits."""
    if value is None:
        return "null"
    try:
        return printable(value.decode())
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def _block(value: bytes) -> Iterator[str]:
    try:
        yield from map(printable, value.decode().split("\n") if value else [])
    except UnicodeDecodeError:
        yield from _hex_dump(value)


def _hex_dump(value: bytes) -> Iterator[str]:
    for at in range(0, len(value), 16):
        part = value[at : at + 16]
        letters = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in part)
        yield f"{at:08x}  {part.hex(' '):<47}  |{letters}|"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            chain(
                [row[0].rjust(widths[0])],
                (text.ljust(width) for text, width in zip(row[1:], widths[1:], strict=True)),
            )
        ).rstrip()
        for row in rows
    ]
