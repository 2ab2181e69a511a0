"""Which callback a request is for: by its method, and by the path that the callback's key ends in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ringback._expressions import Hole
from ringback._sources import Source
from ringback._urls import Url
from ringback.kit._declared import Declared

__all__ = ["Match", "Route", "match"]

_LONGEST_PATH: Final = 4096

Place = Source | Hole
"""What stands for a value in a key: an expression, or the callback's own path parameter."""


@dataclass(frozen=True, slots=True)
class Match:
    """A request's path as one callback's key sees it: the texts in it, and the base URL's path before it."""

    base: str
    values: tuple[tuple[Place, str], ...]


class Route:
    """The path of one declared callback, below any base that an API user may have given."""

    def __init__(self, declared: Declared) -> None:
        template = declared.contract.template
        self.declared = declared
        self.method = declared.contract.method
        self._places = [part for part in template.path if not isinstance(part, str)]
        base = re.escape(template.base.path.rstrip("/")) if isinstance(template.base, Url) else "/?.*?"
        parts = "".join(re.escape(part) if isinstance(part, str) else "([^/]+)" for part in template.path)
        self._pattern = re.compile(f"({base}){parts}" if parts else f"({base}/?.*)", re.DOTALL)
        literal = sum(len(part) for part in template.path if isinstance(part, str))
        self.weight = (literal, -len(self._places))
        """Of two routes that match, the heavier one is meant."""

    def match(self, path: str) -> Match | None:
        """The path (percent-encoded) taken apart, or None where it is not this callback's."""
        found = self._pattern.fullmatch(path) if len(path) <= _LONGEST_PATH else None
        if found is None:
            return None
        texts = [unquote(text, errors="replace") for text in found.groups()[1:]]
        return Match(found[1], tuple(zip(self._places, texts, strict=True)))


def match(routes: Sequence[Route], path: str) -> list[tuple[Route, Match]]:
    """The routes that a path may be meant for, whatever the method, the heaviest ones alone."""
    found = [(route, matched) for route in routes if (matched := route.match(path)) is not None]
    heaviest = max((route.weight for route, _ in found), default=None)
    return [(route, matched) for route, matched in found if route.weight == heaviest]
