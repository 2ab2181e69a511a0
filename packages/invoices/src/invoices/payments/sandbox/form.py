"""Stripe's request encoding: nested values in a form body, such as ``line_items[0][quantity]=1``."""

import re
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["MalformedForm", "parse_form"]

MAX_FIELDS = 200
MAX_DEPTH = 6

_KEY = re.compile(r"[^\[\]]+(\[[^\[\]]*\])*\Z")


class MalformedForm(ValueError):
    """The body is not a form in Stripe's encoding; the text names the field."""


def parse_form(body: bytes) -> dict[str, Any]:
    """The nested value that a form body stands for: dictionaries, lists and texts.

    Raises `MalformedForm` for text that is not UTF-8, for more than 200 fields, nesting deeper than six,
    and for one name used both as a value and as a group.
    """
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise MalformedForm(f"The body is not a form of at most {MAX_FIELDS} fields: {error}") from error
    tree: dict[str, Any] = {}
    for name, value in pairs:
        _place(tree, name, value)
    return {name: _lists(value) for name, value in tree.items()}


def _place(tree: dict[str, Any], name: str, value: str) -> None:
    if not _KEY.match(name):
        raise MalformedForm(f"The field name {name[:80]!r} is not of the form a[b][c]")
    path = name.replace("]", "").split("[")
    if len(path) > MAX_DEPTH:
        raise MalformedForm(f"The field {name[:80]!r} nests deeper than {MAX_DEPTH}")
    group = tree
    for step in path[:-1]:
        inner = group.setdefault(step, {})
        if not isinstance(inner, dict):
            raise MalformedForm(f"The field {name[:80]!r} is both a value and a group")
        group = inner
    leaf = path[-1] or str(len(group))
    if leaf in group:
        raise MalformedForm(f"The field {name[:80]!r} is given twice")
    group[leaf] = value


def _lists(value: Any) -> Any:
    """Groups whose names are 0, 1, 2 ... are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(item) for name, item in value.items()}
    if inner and list(inner) == [str(position) for position in range(len(inner))]:
        return list(inner.values())
    return inner
