"""Read an OpenAPI document that a command names: a file or a URL, JSON or YAML."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from ringback._errors import InvalidUrl, RingbackError
from ringback._guard import Guard, NetworkPolicy
from ringback._message import Failure, Limits, Request
from ringback._resolver import SystemResolver
from ringback._transport import Transport
from ringback._urls import parse_url

__all__ = ["is_document", "load_bytes", "load_document"]

_MAX_BYTES: Final = 20_000_000
_FETCH_SECONDS: Final = 20.0
_MAX_NODES: Final = 5_000_000
_MAX_DEPTH: Final = 200


def is_document(name: str) -> bool:
    """Whether a command's argument names a document, and not an app as ``module:app``."""
    is_file = Path(name).suffix.lower() in {".json", ".yaml", ".yml"} or Path(name).is_file()
    return name.startswith(("http://", "https://")) or is_file


def load_bytes(name: str) -> bytes:
    """What a file holds, or what a URL answers; raises `RingbackError`."""
    return asyncio.run(_fetch(name)) if name.startswith(("http://", "https://")) else _read(name)


def load_document(name: str) -> dict[str, Any]:
    """The document in a file or at a URL; raises `RingbackError` that says what is wrong with it."""
    text = load_bytes(name)
    try:
        document = _parse(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise RingbackError(f"{name} is neither JSON nor YAML: {error}.") from None
    if not isinstance(document, Mapping):
        raise RingbackError(f"{name} holds no OpenAPI document, but {type(document).__name__}.")
    _refuse_bombs(name, document)
    return dict(document)


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise RingbackError(f"{name} cannot be read: {error.strerror}. Check the path.") from None


async def _fetch(name: str) -> bytes:
    # Whoever types the URL may look at their own machine; only cloud metadata stays out of reach.
    policy = NetworkPolicy.from_settings(["0.0.0.0/0", "::/0"])
    transport = Transport(Guard(policy, SystemResolver()), limits=Limits(body=_MAX_BYTES))
    try:
        request = Request("GET", parse_url(name), (("accept", "application/json, application/yaml"),), b"")
        response = await transport.send(request, timeout=_FETCH_SECONDS)
    except InvalidUrl as error:
        raise RingbackError(f"{name}: {error.reason}.") from None
    except Failure as failure:
        raise RingbackError(f"{name} cannot be fetched: {failure.reason.value}: {failure.detail}.") from None
    finally:
        await transport.close()
    if response.status_code != 200 or response.body_error:
        reason = response.body_error or f"it answered {response.status_code}"
        raise RingbackError(f"{name} cannot be fetched: {reason}. Redirects are not followed.")
    return response.body


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as OpenAPI means it: what looks like JSON is read as JSON reads it, everything else is text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Names are text, as in JSON, the 200 of a response too."""
        values = super().construct_mapping(node, deep).items()
        return {json.dumps(name) if isinstance(name, int) else name: value for name, value in values}


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"^(?:{_pattern})$"), _first)


def _parse(text: bytes) -> Any:
    if text.lstrip()[:1] in (b"{", b"["):
        return json.loads(text)
    depth = 0
    for event in yaml.parse(text, _Loader):  # without recursion: what follows would overflow the stack
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
    return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)


def _refuse_bombs(name: str, document: Any) -> None:
    """Aliases of YAML make little text into a tree without end, and so much nesting no reader survives."""
    sizes: dict[int, tuple[int, int]] = {}
    path: set[int] = set()
    stack = [(document, False)]
    while stack:
        node, done = stack.pop()
        inner = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
        if not inner or (id(node) in sizes and not done):
            continue
        if not done:
            if id(node) in path:
                raise RingbackError(f"{name} holds an alias of what it stands in. Write $ref in its place.")
            path.add(id(node))
            stack.append((node, True))
            stack += [(one, False) for one in inner]
            continue
        path.discard(id(node))
        below = [sizes.get(id(one), (1, 0)) for one in inner]
        sizes[id(node)] = (1 + sum(size for size, _ in below), 1 + max(depth for _, depth in below))
    size, depth = sizes.get(id(document), (1, 1))
    if size > _MAX_NODES or depth > _MAX_DEPTH:
        raise RingbackError(
            f"{name} holds {size:,} values, {depth:,} deep; at most {_MAX_NODES:,} and {_MAX_DEPTH:,} are "
            "read. Use $ref and components in place of YAML's aliases and of nesting."
        )
