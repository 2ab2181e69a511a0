"""JSON as people read it: indented and in colours, every literal exactly as it was written."""

import json
import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

from ringback.console._foreign import visible

__all__ = ["pretty_json"]

_TOKEN: Final = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[\[\]{},:])|(?P<plain>[^\s\[\]{},:"]+)')
_DEEPEST: Final = 40
_LONGEST: Final = 100_000


def pretty_json(text: str) -> Markup | None:
    """The text laid out; None where it is no JSON, or too long or nested too deep to be read as such."""
    if len(text) > _LONGEST or not _is_json(text):
        return None
    tokens = [(found.lastgroup or "", found.group()) for found in _TOKEN.finditer(text)]
    if not any(kind == "mark" for kind, _ in tokens):
        return None
    try:
        return Markup("").join(_laid_out(tokens))
    except _TooDeep:
        return None


class _TooDeep(Exception):
    pass


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _laid_out(tokens: list[tuple[str, str]]) -> Iterator[Markup]:
    depth = 0
    for position, (kind, piece) in enumerate(tokens):
        before = tokens[position - 1][1] if position else ""
        after = tokens[position + 1][1] if position + 1 < len(tokens) else ""
        is_empty = (piece in "[{" and after in ("]", "}")) or (piece in "]}" and before in ("[", "{"))
        if kind != "mark":
            yield _coloured(kind, piece, is_name=after == ":")
        elif piece == ":":
            yield Markup(": ")
        elif piece == ",":
            yield Markup(",") + _line(depth)
        elif piece in "[{":
            depth += 1
            yield escape(piece) if is_empty else escape(piece) + _line(depth)
        else:
            depth -= 1
            yield escape(piece) if is_empty else _line(depth) + escape(piece)
        if depth > _DEEPEST:
            raise _TooDeep


def _coloured(kind: str, piece: str, *, is_name: bool) -> Markup:
    colour = "name" if is_name else kind
    return Markup('<span class="json-{}">{}</span>').format(colour, visible(piece))


def _line(depth: int) -> Markup:
    return escape("\n" + "  " * depth)
