"""Whether a schema holds choices inside themselves, which make validators try again at every level."""

from collections.abc import Iterator, Mapping
from typing import Any

from ringback._openapi.references import look_up, references_in

__all__ = ["recursive_choices"]

_CHOICES = ("anyOf", "oneOf")


def recursive_choices(schema: Mapping[str, Any]) -> int:
    """How many alternatives of one choice lead back to that choice, at most; below 2 none is tried twice.

    `schema` is self-contained: all that it refers to stands in it.
    """
    reach = _reach(schema)
    most = 0
    for holder, choice in _choices_in(schema, reach):
        back = sum(any(holder in reach[reference] for reference in references_in(each)) for each in choice)
        most = max(most, back)
    return most


def _reach(schema: Mapping[str, Any]) -> dict[str, set[str]]:
    """All references that each reference leads to, itself among them."""
    direct: dict[str, set[str]] = {}
    waiting = list(references_in(schema))
    while waiting:
        reference = waiting.pop()
        if reference not in direct:
            direct[reference] = set(references_in(look_up(schema, reference)))
            waiting += direct[reference]
    reach: dict[str, set[str]] = {}
    for start in direct:
        seen, waiting = {start}, [start]
        while waiting:
            new = direct[waiting.pop()] - seen
            seen |= new
            waiting += new
        reach[start] = seen
    return reach


def _choices_in(schema: Mapping[str, Any], reach: Mapping[str, set[str]]) -> Iterator[tuple[str, list[Any]]]:
    """Each choice below a definition, with the reference to that definition."""
    for holder in reach:
        stack = [look_up(schema, holder)]
        while stack:
            node = stack.pop()
            if isinstance(node, Mapping):
                yield from ((holder, node[word]) for word in _CHOICES if isinstance(node.get(word), list))
                stack += node.values()
            elif isinstance(node, list):
                stack += node
