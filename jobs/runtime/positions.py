"""Where a checkpoint goes on, as Spark's own files in it say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress


def positions(names: Callable[[str], list[str]], text: Callable[[str], str]) -> list[str]:
    """Return the sources' positions before the next batch, as JSON.

    `names` gives the names in a folder of the checkpoint, none if there is no such folder; `text` gives a
    file's content. What is torn is left out: Spark refuses such a checkpoint itself.
    """
    committed = max((int(name) for name in names("commits") if name.isdecimal()), default=None)
    if committed is not None:
        return list(_json(text(f"offsets/{committed}").splitlines()[2:]))
    begun = (f"sources/{source}" for source in names("sources"))
    return list(_json(text(f"{source}/0") for source in begun if "0" in names(source)))


def _json(contents: Iterator[str] | list[str]) -> Iterator[str]:
    for content in contents:
        position = content[max(content.find("{"), 0) :]  # a first position has a version before it
        with suppress(ValueError):
            json.loads(position)
            yield position
