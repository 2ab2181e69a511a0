"""Read an OpenAPI document that a command names: a file or a URL, JSON or YAML."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml  # type: ignore[import-untyped]

from ringback._errors import InvalidUrl, RingbackError
from ringback._guard import Guard, NetworkPolicy
from ringback._message import Failure, Limits, Request
from ringback._resolver import SystemResolver
from ringback._transport import Transport
from ringback._urls import parse_url

__all__ = ["is_document", "load_document"]

_MAX_BYTES: Final = 20_000_000
_FETCH_SECONDS: Final = 20.0


def is_document(name: str) -> bool:
    """Whether a command's argument names a document, and not an app as ``module:app``."""
    is_file = Path(name).suffix.lower() in {".json", ".yaml", ".yml"} or Path(name).is_file()
    return name.startswith(("http://", "https://")) or is_file


def load_document(name: str) -> dict[str, Any]:
    """The document in a file or at a URL; raises `RingbackError` that says what is wrong with it."""
    text = asyncio.run(_fetch(name)) if name.startswith(("http://", "https://")) else _read(name)
    try:
        document = _parse(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise RingbackError(f"{name} is neither JSON nor YAML: {error}.") from None
    if not isinstance(document, Mapping):
        raise RingbackError(f"{name} holds no OpenAPI document, but {type(document).__name__}.")
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


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which a date stays the text that it is in JSON."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _parse(text: bytes) -> Any:
    if text.lstrip()[:1] in (b"{", b"["):
        return json.loads(text)
    return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
