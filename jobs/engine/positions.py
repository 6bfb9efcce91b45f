"""Where a checkpoint continues, according to Spark's own files in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress


def positions(names: Callable[[str], list[str]], text: Callable[[str], str]) -> list[str]:
    """Return the sources' positions before the next batch, as JSON.

    `names` returns the names in a folder of the checkpoint, none if there is no such folder; `text` returns a
    file's content. Torn files are left out, because Spark itself refuses such a checkpoint.
    """
    committed = max((int(name) for name in names("commits") if name.isdecimal()), default=None)
    if committed is not None:
        return list(_json(text(f"offsets/{committed}").splitlines()[2:]))
    begun = (f"sources/{source}" for source in names("sources"))
    return list(_json(text(f"{source}/0") for source in begun if "0" in names(source)))


def _json(contents: Iterator[str] | list[str]) -> Iterator[str]:
    for content in contents:
        position = content[max(content.find("{"), 0) :]  # a version precedes an initial position
        with suppress(ValueError):
            json.loads(position)
            yield position
