"""Text from others, such as a product's id, made safe to show on a terminal."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    r"""Return the text with each control or invisible character escaped as in JSON: `\u001b`."""
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
