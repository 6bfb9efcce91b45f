"""Texts of other people's, such as a product's id, as a terminal may show them."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    r"""Return the text with each character that is obeyed, or not shown, escaped as JSON does: `\u001b`."""
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
