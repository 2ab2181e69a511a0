"""JSON values that a schema accepts: the smallest, the fullest, and different ones by a seed."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ringback._openapi.references import DanglingReference, look_up
from ringback._openapi.schemas import Schema
from ringback.kit._patterns import text_for_pattern

__all__ = ["declared_examples", "example", "merged", "variations"]

_SHALLOW: Final = 2
_DEEP: Final = 6
_DEEPEST: Final = 24
_MOST_PARTS: Final = 5000
_LONGEST: Final = 20_000
_MINIMAL, _FULL = 0, 1
_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "date-time": ("2026-03-01T09:30:00Z", "1999-12-31T23:59:59.123456+02:00"),
    "date": ("2026-03-01", "2024-02-29"),
    "time": ("09:30:00Z", "23:59:59.5+02:00"),
    "duration": ("P3D", "PT15M"),
    "uuid": ("5f2b0c1e-7d36-4b8c-9c55-0f6f3a1d2e4b", "00000000-0000-4000-8000-000000000001"),
    "email": ("richie@example.com", "a.b+c@mail.example.org"),
    "uri": ("https://www.example.com/a", "https://example.org/b?c=d#e"),
    "uri-reference": ("/a/b", "https://example.org/b"),
    "url": ("https://www.example.com/a", "https://example.org/b?c=d#e"),
    "hostname": ("www.example.com", "a.example"),
    "ipv4": ("192.0.2.1", "198.51.100.7"),
    "ipv6": ("2001:db8::1", "::1"),
    "byte": ("aGVsbG8=", ""),
    "json-pointer": ("/a/0", ""),
    "regex": ("a+", "[0-9]"),
}
_TEXTS: Final = ("Zoë paid 5 € — “thanks” 🎉", 'a "quoted" \\ line\nand another', "null", "0", "<b>&amp;</b>")
_NUMBERS: Final = (0, 1, -1, 2**31, 9_007_199_254_740_991, 10)


def example(schema: Schema) -> Any:
    """One value that the schema accepts, a declared example before a made one; raises ValueError without."""
    return next(_all(schema))


def variations(schema: Schema, most: int = 12) -> list[Any]:
    """Different accepted values, the smallest and the fullest first; raises ValueError without any."""
    found: dict[str, Any] = {}
    for seed in range(4 * most):
        value = _made(schema, seed)
        if value is not _NONE:
            found.setdefault(json.dumps(value, sort_keys=True), value)
        if len(found) >= most or (not found and seed > most):
            break
    if not found:
        raise ValueError(_CANNOT)
    return list(found.values())


def declared_examples(schema: Schema) -> list[Any]:
    """What the schema itself gives as examples and keeps to."""
    node = merged(schema.text, schema.text)
    given = node.get("examples") if isinstance(node.get("examples"), list) else []
    values = [*(given or []), *([node["example"]] if "example" in node else [])]
    return [value for value in values if schema.breach(value) is None]


def merged(root: Mapping[str, Any], node: Any) -> dict[str, Any]:
    """A schema with its reference followed and its ``allOf`` taken together."""
    result: dict[str, Any] = {}
    for part in _parts(root, node):
        for word, value in part.items():
            if word == "required":
                result[word] = list(dict.fromkeys([*result.get(word, []), *value]))
            elif word in ("properties", "patternProperties"):
                result[word] = {**result.get(word, {}), **value}
            else:
                result[word] = value
    return result


_NONE: Final = object()
_CANNOT: Final = "no value was found that the schema accepts; give one yourself"


def _all(schema: Schema) -> Iterator[Any]:
    yield from declared_examples(schema)
    yield from variations(schema)


def _made(schema: Schema, seed: int) -> Any:
    try:
        value = _Maker(schema.text, seed).make(schema.text, "value", 0)
    except (_TooDeep, DanglingReference, ArithmeticError, ValueError, TypeError, LookupError):
        return _NONE
    return value if schema.breach(value) is None else _NONE


def _parts(root: Mapping[str, Any], node: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and all that it takes together, the outermost last; never one reference twice."""
    seen: set[str] = set()
    found: list[Mapping[str, Any]] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            found.append({w: v for w, v in part.items() if w not in {"$ref", "allOf", "components"}})
            waiting += part.get("allOf") or []
            if isinstance(part.get("$ref"), str) and part["$ref"] not in seen:
                seen.add(part["$ref"])
                waiting.append(look_up(root, part["$ref"]))
    yield from reversed(found)


class _TooDeep(Exception):
    """A value that needs itself."""


class _Maker:
    """Makes one value; all that is left to chance follows from the seed."""

    def __init__(self, root: Mapping[str, Any], seed: int) -> None:
        self._root = root
        self._seed = seed
        self._left = _MOST_PARTS
        self._chance = random.Random(seed)  # noqa: S311  (repeatable, and no secret)

    def make(self, node: Any, name: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError(_CANNOT)
        if depth > _DEEPEST:
            raise _TooDeep
        schema = merged(self._root, node)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._pick(schema["enum"])
        if self._seed <= _FULL:
            for given in (schema.get("examples"), [schema["example"]] if "example" in schema else None):
                if isinstance(given, list) and given:
                    return given[0]
        for word in ("oneOf", "anyOf"):
            if schema.get(word):
                return self._choice(schema, word, name, depth)
        return self._typed(schema, name, depth)

    def _choice(self, schema: dict[str, Any], word: str, name: str, depth: int) -> Any:
        branches = list(schema[word])
        if self._seed > _FULL and depth < _DEEP:
            self._chance.shuffle(branches)
        else:  # null tells least, and ends what would go on without end
            is_deep = depth > _SHALLOW
            branches.sort(key=lambda b: (merged(self._root, b).get("type") == "null") is not is_deep)
        rest = {key: value for key, value in schema.items() if key != word}
        for branch in branches:
            try:
                return self.make({"allOf": [rest, branch]}, name, depth + 1)
            except _TooDeep:
                continue
        raise _TooDeep

    def _typed(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        kinds = schema.get("type")
        kind = self._pick([k for k in kinds if k != "null"] or kinds) if isinstance(kinds, list) else kinds
        if isinstance(kinds, list) and "null" in kinds and self._seed > _FULL and self._chance.random() < 0.3:
            return None
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        makers: dict[Any, Callable[[], Any]] = {
            "object": lambda: self._object(schema, depth),
            "array": lambda: self._array(schema, name, depth),
            "integer": lambda: self._number(schema, "integer"),
            "number": lambda: self._number(schema, "number"),
            "boolean": lambda: self._pick([True, False]),
            "null": lambda: None,
        }
        return makers.get(kind, lambda: self._text(schema, name))()

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        made: dict[str, Any] = {}
        for name, inner in properties.items():
            if name in required or self._wants_optional(depth):
                try:
                    made[name] = self.make(inner, name, depth + 1)
                except _TooDeep:
                    if name in required:
                        raise
        more = schema.get("additionalProperties", True)
        wants_more = int(not properties and self._wants_optional(depth))
        least = min(max(schema.get("minProperties", 0) - len(made), wants_more), self._left + 1)
        names = [name for name in required if name not in made] or [f"more{i}" for i in range(least)]
        for name in names if more is not False else []:
            made[name] = self.make(more if isinstance(more, Mapping) else {"type": "string"}, name, depth + 1)
        return made

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        first = schema.get("prefixItems") or []
        least = schema.get("minItems", 0)
        wanted = least if self._seed == _MINIMAL or depth > _DEEP else max(least, 1)
        if self._seed > _FULL:
            wanted = min(schema.get("maxItems", 3), max(wanted, self._chance.randint(0, 3)))
        made = [self.make(inner, name, depth + 1) for inner in first]
        items = schema.get("items", {})
        while len(made) < wanted and items is not False:
            made.append(self.make(items or {"type": "string"}, name, depth + 1))
        if schema.get("uniqueItems"):
            made = list({json.dumps(item, sort_keys=True): item for item in made}.values())
        return made

    def _number(self, schema: dict[str, Any], kind: str) -> int | float:
        step = schema.get("multipleOf") or (1 if kind == "integer" else 0.5)
        low, high = schema.get("minimum"), schema.get("maximum")
        if "exclusiveMinimum" in schema:
            low = max(low if low is not None else -1e300, schema["exclusiveMinimum"] + step)
        if "exclusiveMaximum" in schema:
            high = min(high if high is not None else 1e300, schema["exclusiveMaximum"] - step)
        wanted = self._pick(
            [42, low, high, *(_NUMBERS if kind == "integer" else (*_NUMBERS, 0.1, 1e-9, 99.95))]
        )
        wanted = 42 if wanted is None else wanted
        wanted = max(wanted, low) if low is not None else wanted
        wanted = min(wanted, high) if high is not None else wanted
        if schema.get("multipleOf") or kind == "integer":
            wanted = round(wanted / step) * step
        return int(wanted) if kind == "integer" else wanted

    def _text(self, schema: dict[str, Any], name: str) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if least > _LONGEST:
            raise ValueError(_CANNOT)
        if "pattern" in schema:
            found = text_for_pattern(schema["pattern"], self._chance, least)
            if found is None:
                raise ValueError(schema["pattern"])
            return found
        if schema.get("format") in _FORMATS:
            return str(self._pick(_FORMATS[schema["format"]]))
        end = min(most or 0, _LONGEST)
        shortest, longest = "x" * least, (name * (1 + end // max(1, len(name))))[:end]
        text = str(self._pick([name, shortest, *([longest] if most else []), *_TEXTS]))
        return str(text + "x" * (least - len(text)))[:most]

    def _pick(self, choices: Any) -> Any:
        return choices[0] if self._seed <= _FULL else self._chance.choice(choices)

    def _wants_optional(self, depth: int) -> bool:
        if self._seed == _MINIMAL or depth > _DEEP:
            return False
        return self._seed == _FULL or self._chance.random() < 0.5
