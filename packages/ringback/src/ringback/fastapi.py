"""Where Ringback meets FastAPI: the `Callbacks` parameter of an endpoint, and the app's lifespan."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Annotated, Any, overload

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError

from ringback._database import AsyncCaller, Caller
from ringback._declarations import operation_of
from ringback._errors import Blocked, RingbackError, UnusableValue
from ringback._expressions import Template
from ringback._guard import Unresolved
from ringback._jwks import jwks
from ringback._outbox import BoundUrl
from ringback._sources import Source
from ringback._types import Exchange, Target
from ringback._urls import IPAddress, Url, literal_address

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ringback._ringback import Ringback

__all__ = ["BoundCallbacks", "Callbacks", "attach", "jwks_router"]

_RESOLVE_SECONDS = 1.0
_JWKS_SECONDS = 600
_Jwks = dict[str, list[dict[str, str]]]
# What API users are told: nothing that would let them look around in our network.
_REFUSED = "this URL cannot be called: it must lead to a public address on a usual web port"


class BoundCallbacks:
    """The callbacks of the operation that is running, ready to be bound to a key of yours."""

    def __init__(
        self,
        ringback: "Ringback",
        operation: str,
        exchange: Exchange,
        resolved: dict[str, BoundUrl] | None,
        looked_up: dict[str, tuple[IPAddress, ...]],
    ) -> None:
        self._ringback = ringback
        self._resolved = resolved
        self._looked_up = looked_up
        self.operation = operation
        self.exchange = exchange

    @overload
    def bind(
        self,
        session: AsyncCaller,
        /,
        *,
        key: str,
        owner: str = ...,
        replace: bool = ...,
        response: Any = ...,
    ) -> "Awaitable[Target]": ...
    @overload
    def bind(
        self, session: Caller, /, *, key: str, owner: str = ..., replace: bool = ..., response: Any = ...
    ) -> Target: ...
    def bind(
        self,
        session: AsyncCaller | Caller,
        /,
        *,
        key: str,
        owner: str = "",
        replace: bool = False,
        response: Any = None,
    ) -> "Awaitable[Target] | Target":
        """Evaluate the callbacks' URLs once and store them under `key`, in your transaction.

        Awaitable with an async session, direct with a sync one. The same key with the same URL gives the
        same target; with another URL it raises `TargetConflict` unless `replace`.

        `response` is what you are about to return, for expressions that read ``$response``: a model or any
        value that FastAPI can turn into JSON, or a `Response`, which has a status and headers too. Without
        one, ``$statusCode`` is the status that the operation declares.
        """
        resolved = self._resolved
        if resolved is None:
            exchange = _answered(self.exchange, response)
            resolved = self._ringback.outbox.resolve(self.operation, exchange)
        with _told_as_validation_error():
            bound = self._ringback.bind_resolved(
                session,
                resolved,
                self.operation,
                key=key,
                owner=owner,
                replace=replace,
                looked_up=self._looked_up,
            )
        return bound if isinstance(bound, Target) else _awaited(bound)


async def _awaited(bound: "Awaitable[Target]") -> Target:
    with _told_as_validation_error():
        return await bound


@contextmanager
def _told_as_validation_error() -> Iterator[None]:
    """What the owner may not call is the request's fault, as a bad URL is."""
    try:
        yield
    except Blocked as error:
        raise RequestValidationError([_finding(error.source, _REFUSED)]) from error


async def _callbacks(request: Request) -> BoundCallbacks:
    """Read the exchange and judge its URLs, names included, before any transaction begins."""
    ringback: Ringback | None = getattr(request.app.state, "ringback", None)
    if ringback is None:
        raise RingbackError(
            "This endpoint asks for Callbacks, and its app has no Ringback. "
            "Add Ringback(app) where the app is made."
        )
    operation = operation_of(request.app, request)
    templates = [c.template for c in ringback.contracts().of_operation(operation).values()]
    exchange = await _exchange(request, templates)
    resolved: dict[str, BoundUrl] | None = None
    try:
        if templates and not any(template.needs_response for template in templates):
            resolved = ringback.outbox.resolve(operation, exchange)
        looked_up = await _judge_bases(ringback, templates, exchange)
    except UnusableValue as error:
        raise RequestValidationError([_finding(error.source, error.reason)]) from error
    except Blocked as error:
        raise RequestValidationError([_finding(error.source, _REFUSED)]) from error
    return BoundCallbacks(ringback, operation, exchange, resolved, looked_up)


Callbacks = Annotated[BoundCallbacks, Depends(_callbacks)]
"""The parameter type that gives an endpoint the callbacks of its own operation."""


def attach(app: FastAPI, running: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
    """Let `running` surround the app's own lifespan."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: Any) -> AsyncIterator[Any]:
        async with running(), inner(started) as state:
            yield state

    app.router.lifespan_context = lifespan


def jwks_router(ringback: "Ringback") -> APIRouter:
    """Serves ``/.well-known/jwks.json``. With ``?kid=`` the set holds one owner's keys alone.

    A receiver asks with the id that it was told, and goes on asking with it after a rotation. Without it the
    set holds the keys of all owners, and whoever accepts any of them accepts what was signed for others.
    """
    router = APIRouter()

    @router.get("/.well-known/jwks.json", summary="Public keys that sign callbacks", tags=["callbacks"])
    async def read_public_keys(
        response: Response, kid: Annotated[str | None, Query(max_length=64)] = None
    ) -> _Jwks:
        async with ringback.engine.connect() as connection:
            await connection.execution_options(sqlite_read_only=True)
            found = await ringback.public_keys(connection, kid=kid)
        response.headers["Cache-Control"] = f"public, max-age={_JWKS_SECONDS}"
        return jwks((key.fingerprint, key.public_key) for key in found if key.public_key is not None)

    return router


async def _judge_bases(
    ringback: "Ringback", templates: Iterable[Template], exchange: Exchange
) -> dict[str, tuple[IPAddress, ...]]:
    """Look up the names that the request gave; each host once, however many callbacks go there.

    Returns the addresses that are not judged yet, by host: where owners differ, `bind` judges them, since
    only there the owner is known.
    """
    places: dict[str, tuple[Url, str]] = {}
    for template in templates:
        if isinstance(template.base, Source) and template.base.message != "response":
            base = template.base_url(exchange)
            if base is not None:
                places.setdefault(base.origin, (base, str(template.base)))

    looked_up: dict[str, tuple[IPAddress, ...]] = {}

    async def judge(url: Url, source: str) -> None:
        try:
            if not ringback.owner_guards.differ:
                await ringback.guard.addresses(url, timeout=_RESOLVE_SECONDS)
            elif literal_address(url.host) is None:
                looked_up[url.host] = await ringback.guard.resolve(url.host, _RESOLVE_SECONDS)
        except Unresolved:
            return  # a name that does not resolve yet may do so later; every attempt judges again
        except Blocked as error:
            raise Blocked(error.reason, source) from None

    if len(places) == 1:
        await judge(*next(iter(places.values())))
    else:
        await asyncio.gather(*(judge(url, source) for url, source in places.values()))
    return looked_up


async def _exchange(request: Request, templates: Iterable[Template]) -> Exchange:
    reads_body = any(
        source.message == "request" and source.place == "body"
        for template in templates
        for source in template.sources
    )
    return Exchange(
        query=_grouped(request.query_params.multi_items()),
        path={name: str(value) for name, value in request.path_params.items()},
        headers=_grouped(request.headers.items()),
        body=await _json_body(request) if reads_body else None,
        url=str(request.url),
        method=request.method,
        status_code=getattr(request.scope.get("route"), "status_code", None) or 200,
    )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}


async def _json_body(request: Request) -> Any:
    if not _is_json(request.headers.get("content-type", "application/json")) or not await request.body():
        return None
    try:
        # Kept by the request since FastAPI read it, so nothing is parsed twice.
        return await request.json()
    except (ValueError, RecursionError) as error:
        raise RequestValidationError([_finding("$request.body", f"is not JSON: {error}")]) from None


def _answered(exchange: Exchange, response: Any) -> Exchange:
    if response is None:
        return exchange
    if not isinstance(response, Response):
        return replace_fields(exchange, response=jsonable_encoder(response))
    is_json = _is_json(response.headers.get("content-type", ""))
    body = bytes(getattr(response, "body", b""))  # what is streamed has none yet
    return replace_fields(
        exchange,
        status_code=response.status_code,
        response_headers=_grouped(response.headers.items()),
        response=json.loads(body) if is_json and body else None,
    )


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _finding(source: str, reason: str) -> dict[str, Any]:
    """A validation error in FastAPI's own form; its place is read from the expression."""
    text = source.removeprefix("$request.")
    where, _, name = text.partition("#/") if text.startswith("body") else text.partition(".")
    place = (where, *name.split("/")) if name else (where,)
    return {"type": "callback_url", "loc": place, "msg": reason, "input": None}
