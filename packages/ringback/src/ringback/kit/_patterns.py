"""A text that a regular expression accepts."""

import contextlib
import random
import re
from collections.abc import Callable
from typing import Any

from ringback._openapi.schemas import InvalidSchema, Schema

__all__ = ["text_for_pattern"]

_MOST_REPEATS = 64
_LONGEST = 10_000
_PRINTABLE = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ .,:;/@#!"
_CLASSES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "abcxyz019_"}


class _TooLong(Exception):
    """The text would have no end worth waiting for."""


def text_for_pattern(pattern: str, chance: random.Random, least: int = 0) -> str | None:
    """A text that `pattern` finds itself in, at least `least` long where it can be; None where none is known.

    Look-around and backreferences are not followed: then the text may not match, and None is returned.
    """
    try:
        parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]  # the one reader of re's grammar
        matches = Schema({"pattern": pattern})  # not re: that can take for ever over a pattern
    except (re.error, RecursionError, OverflowError, InvalidSchema):
        return None
    for extra in (0, min(least, _MOST_REPEATS), 1):
        with contextlib.suppress(_TooLong):
            text = _write(parsed, chance, extra)
            if len(text) >= least and matches.breach(text) is None:
                return text
    return None


def _write(parts: Any, chance: random.Random, extra: int) -> str:
    text = ""
    for code, value in parts:
        text += _one(str(code), value, chance, extra)
        if len(text) > _LONGEST:
            raise _TooLong
    return text


def _one(code: str, value: Any, chance: random.Random, extra: int) -> str:
    writers: dict[str, Callable[[], str]] = {
        "LITERAL": lambda: chr(value),
        "NOT_LITERAL": lambda: next(c for c in _PRINTABLE if ord(c) != value),
        "ANY": lambda: "a",
        "IN": lambda: _member(value, chance),
        "MAX_REPEAT": lambda: _repeat(value, chance, extra),
        "MIN_REPEAT": lambda: _repeat(value, chance, extra),
        "POSSESSIVE_REPEAT": lambda: _repeat(value, chance, extra),
        "SUBPATTERN": lambda: _write(value[-1], chance, extra),
        "ATOMIC_GROUP": lambda: _write(value, chance, extra),
        "BRANCH": lambda: _write(chance.choice(value[1]), chance, extra),
        "CATEGORY": lambda: chance.choice(_CLASSES.get(str(value), "a")),
    }
    return writers.get(code, str)()


def _repeat(value: Any, chance: random.Random, extra: int) -> str:
    low, high, inner = value
    times = min(int(high), int(low) + extra)
    if times > _LONGEST:
        raise _TooLong
    return _write(list(inner) * times, chance, 0)


def _member(members: Any, chance: random.Random) -> str:
    if str(members[0][0]) == "NEGATE":
        refused = {c for c in _PRINTABLE if any(_has(member, c) for member in members[1:])}
        return next((c for c in _PRINTABLE if c not in refused), "é")
    code, value = chance.choice(members)
    match str(code):
        case "RANGE":
            return chr(chance.randint(value[0], min(value[1], value[0] + 25)))
        case "LITERAL":
            return chr(value)
    return chance.choice(_CLASSES.get(str(value), "a-"))


def _has(member: Any, character: str) -> bool:
    code, value = member
    match str(code):
        case "RANGE":
            return bool(value[0] <= ord(character) <= value[1])
        case "LITERAL":
            return bool(ord(character) == value)
    name = str(value)
    kinds: dict[str, Callable[[str], bool]] = {
        "DIGIT": str.isdigit,
        "SPACE": str.isspace,
        "WORD": lambda c: c.isalnum() or c == "_",
    }
    is_kind = kinds[name.rpartition("_")[2]](character)
    return not is_kind if "NOT" in name else is_kind
