"""Flags whose value decides which other flags apply: `--source` and `--sink`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sources.flags import Flag, Parsed, Parser, flags


@dataclass(frozen=True)
class OwnOptions:
    """The options of one source or sink; these are none. A source or sink with flags has a subclass."""

    ABOUT: ClassVar[str] = ""
    """What the help says above the flags."""

    def fault(self) -> str | None:
        """Return why the values do not go together, None if they do; look at no file."""
        return None


class Chooseable(Protocol):
    """What a flag can choose: a source or a sink."""

    @property
    def OPTIONS(self) -> type[OwnOptions]:  # noqa: N802 - a constant of each one's module
        """The class of its own options."""


One = TypeVar("One", bound=Chooseable)


@dataclass(frozen=True)
class Chosen(Generic[One]):
    """What a flag has chosen: its name, itself, and its own options."""

    name: str
    it: One
    options: Any


@dataclass(frozen=True)
class Choice(Generic[One]):
    """A flag with the values `names`, each of which `load` turns into what it stands for."""

    flag: Flag
    names: Sequence[str]
    load: Callable[[str], One]

    def accepted_by(self, parser: Parser) -> None:
        """Accept the flag and, under a title each, the flags of all that it can choose."""
        parser.accept([self.flag])
        for name in self.names:
            of = self.load(name).OPTIONS
            parser.accept(flags(of), f"{self.flag.name} {name}", of.ABOUT or None)

    def of(self, parsed: Parsed) -> Chosen[One]:
        """Return what a command line has chosen."""
        name = parsed.value(self.flag)
        it = self.load(name)
        return Chosen(name, it, parsed.of(it.OPTIONS))

    def flags_of(self, name: str) -> set[str]:
        """Return the flags of one of them, as they may be typed."""
        return {typed for one in flags(self.load(name).OPTIONS) for typed in one.names}


def parse(parser: Parser, arguments: Sequence[str] | None, *choices: Choice[Any]) -> Parsed:
    """Return the command line of a parser that accepts the choices too.

    Exit with code 2 and one line if a flag is unknown, if it belongs to what was not chosen, or if values do
    not go together.
    """
    for choice in choices:
        choice.accepted_by(parser)
    parsed = parser.parse(arguments)
    if fault := _fault(parsed, choices):
        parser.error(fault)
    return parsed


def _fault(parsed: Parsed, choices: Sequence[Choice[Any]]) -> str | None:
    made = [(choice, choice.of(parsed)) for choice in choices]
    accepted = {flag for choice, one in made for flag in choice.flags_of(one.name)}
    for choice, one in made:
        for name in choice.names:
            if foreign := (parsed.given & choice.flags_of(name)) - accepted:
                kind = choice.flag.name
                return f"{min(foreign)}: a flag of {kind} {name}; the {kind[2:]} is {one.name}"
        if wrong := one.options.fault():
            return str(wrong)
    return None
