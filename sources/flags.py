"""Command-line flags, declared once as fields of an options class and parsed once into an instance of it.

A flag's name is its field's: `replay_dir` is `--replay-dir`. The default of a flag that takes a value can
come from an environment variable, which `--help` names.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

PREFIX = "TWINSTREAM_"
_DECLARED = "flag"
Options = TypeVar("Options")
Choices = tuple[str, ...] | Callable[[], Iterable[str]]


@dataclass(frozen=True)
class Flag:
    """A command-line flag.

    `name`: as it is typed, such as `--replay-dir`; an argument without dashes is given by its position.
    `default`: as it would be typed. `parse`: returns the value of a text, or raises
    argparse.ArgumentTypeError, which names the text and what was expected. `formerly`: the old name, which
    keeps working, with a notice. `many`: takes one value or more. `switch`: takes none, and is True if given.
    `variable`: the environment variable of the default, if it is not called as the flag is.

    A job's flags: `shapes_state`: no old checkpoint fits another value. A sink's: `example`: the value that a
    plan suggests if it is missing; `{root}` stands for a folder in the bucket, `{job}` for the job's name.
    """

    name: str
    help: str
    default: str | None = None
    parse: Callable[[str], Any] = str
    choices: Choices | None = None
    formerly: str | None = None
    required: bool = False
    many: bool = False
    switch: bool = False
    variable: str = ""
    shapes_state: bool = True
    example: str = ""

    @property
    def dest(self) -> str:
        """Return the name of the field."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the environment variables that can hold the default, the current one first."""
        return (self.variable,) if self.variable else tuple(map(variable, self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names that the command line accepts, the current one first."""
        return (self.name, self.formerly) if self.formerly else (self.name,)

    def value(self) -> Any:
        """Return the value if the flag is not given, apart from the environment."""
        if self.default is None:
            return False if self.switch else () if self.many else None
        return self.parse(self.default)

    def add_to(self, group: argparse._ActionsContainer) -> None:
        """Add the flag to a parser or group; exit with one line if its variable holds no possible value."""
        settings: dict[str, Any] = {"help": self.help.replace("%", "%%")}
        if self.switch:
            group.add_argument(self.name, action="store_true", **settings)
            return
        settings |= {"type": self.parse, "choices": self._choices()}
        if self.name.startswith("--"):
            settings |= self._of_many() if self.many else self._of_one()
            group.add_argument(*self.names, **settings)
        else:
            number = {"nargs": "+" if self.required else "*"} if self.many else {}
            group.add_argument(self.dest, **settings | number)

    def _of_many(self) -> dict[str, Any]:
        return {"nargs": "+", "action": "extend", "required": self.required}

    def _of_one(self) -> dict[str, Any]:
        default, shown = self._default(), f"default: {self.default}; " if self.default is not None else ""
        told = f"{self.help} ({shown}env {self.variables[0]})"
        required = self.required and default is None
        return {"action": _Store, "default": default, "required": required, "help": told.replace("%", "%%")}

    def _choices(self) -> tuple[str, ...] | None:
        return tuple(self.choices()) if callable(self.choices) else self.choices

    def _default(self) -> str | None:
        """Return the text that the environment or the declaration gives."""
        given = (os.environ.get(name) for name in self.variables)
        text = next(filter(None, given), self.default)
        known = self._choices()
        if text is not None and known and text not in known:
            print(f"{self.variables[0]}={text!r}: expected one of {', '.join(known)}", file=sys.stderr)
            raise SystemExit(2)
        return text


def flag(
    help: str,
    *,
    default: str | None = None,
    parse: Callable[[str], Any] = str,
    choices: Choices | None = None,
    formerly: str | None = None,
    required: bool = False,
    many: bool = False,
    variable: str = "",
    shapes_state: bool = True,
    example: str = "",
) -> Any:
    """Declare a field of an options class as a flag that takes a value; `Flag` documents the arguments."""
    taken = (required, many, False, variable, shapes_state, example)
    return _declared(Flag("", help, default, parse, choices, formerly, *taken))


def switch(help: str) -> Any:
    """Declare a field of an options class as a flag without a value: True if it is given."""
    return _declared(Flag("", help, switch=True))


def argument(
    help: str,
    *,
    parse: Callable[[str], Any] = str,
    choices: Choices | None = None,
    many: bool = False,
    required: bool = True,
) -> Any:
    """Declare a field of an options class as an argument that is given by its position, or several."""
    return _declared(Flag("", help, parse=parse, choices=choices, required=required, many=many), prefix="")


def _declared(declared: Flag, prefix: str = "--") -> Any:
    """Return the field; a required one has a default only for the sake of the fields before it."""
    return field(default_factory=declared.value, metadata={_DECLARED: (prefix, declared)})


def flags(options: type) -> tuple[Flag, ...]:
    """Return the flags that an options class declares, in its order."""
    declared = ((one.name, *one.metadata[_DECLARED]) for one in fields(options) if _DECLARED in one.metadata)
    return tuple(_named(*one) for one in declared)


def _named(name: str, prefix: str, declared: Flag) -> Flag:
    return replace(declared, name=f"{prefix}{name.replace('_', '-')}" if prefix else name)


class Parsed:
    """A parsed command line. `given`: the flags on it, as they were typed."""

    def __init__(self, namespace: argparse.Namespace, given: frozenset[str]) -> None:
        self._namespace, self.given = namespace, given

    def of(self, options: type[Options]) -> Options:
        """Return the options of a class that the parser accepts."""
        return options(**{one.dest: self.value(one) for one in flags(options)})

    def value(self, of: Flag) -> Any:
        """Return the value of a flag that the parser accepts."""
        value = getattr(self._namespace, of.dest)
        return tuple(value or ()) if of.many else value


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and reports an error in one line, with exit code 2."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(allow_abbrev=False, **keywords)

    def accept(self, declared: Iterable[Flag], title: str | None = None, about: str | None = None) -> None:
        """Accept these flags, each once, under a title of their own in the help."""
        group = self.add_argument_group(title, about) if title else self
        for one in declared:
            if one.name not in self._option_string_actions:
                one.add_to(group)

    def parse(self, arguments: Sequence[str] | None = None) -> Parsed:
        """Return the parsed arguments, by default those of the process.

        For an unknown one, exit with code 2 and name the flag most like it.
        """
        parsed, unknown = self.parse_known(arguments)
        if unknown:
            like = nearest(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{like}")
        return parsed

    def parse_known(self, arguments: Sequence[str] | None = None) -> tuple[Parsed, list[str]]:
        """Return the parsed arguments, and those that are not known."""
        words = sys.argv[1:] if arguments is None else list(arguments)
        namespace, unknown = self.parse_known_args(words)
        return Parsed(namespace, frozenset(word.partition("=")[0] for word in words)), unknown

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with code 2."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def options(declared: type[Options], arguments: Sequence[str] | None = None, **parser: Any) -> Options:
    """Return the options of a command whose flags are those of one class; `parser` describes the command."""
    known = Parser(**parser)
    known.accept(flags(declared))
    return known.parse(arguments).of(declared)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the known word that is most like this one; "" if none is."""
    like = get_close_matches(word, list(known), 1)
    return f"; did you mean {like[0]}?" if like else ""


def variable(flag: str) -> str:
    """Return the environment variable that holds a flag's default: TWINSTREAM_SINK_PATH for `--sink-path`."""
    return PREFIX + flag.removeprefix("--").replace("-", "_").upper()


def whole_number(text: str) -> int:
    """Parse a whole number of at least 1; raise argparse.ArgumentTypeError for anything else."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number >= 1")
    return int(text)


def above_zero(text: str) -> float:
    """Parse a number above 0; raise argparse.ArgumentTypeError for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return number


class _Store(argparse.Action):
    """An action that stores the value, and prints the flag's current name if its old one was used."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        name = self.option_strings[0]
        if option_string not in (None, name):
            print(f"{parser.prog}: {option_string} is called {name} now", file=sys.stderr)
        setattr(namespace, self.dest, values)
