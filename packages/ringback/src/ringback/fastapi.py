"""Where Ringback meets FastAPI: the `Callbacks` parameter of an endpoint, and the app's lifespan."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Annotated, Any, overload

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from ringback._database import AsyncCaller, Caller
from ringback._declarations import operation_of
from ringback._errors import Blocked, RingbackError, UnusableValue
from ringback._guard import Unresolved
from ringback._outbox import BoundUrl
from ringback._types import Exchange, Target
from ringback._urls import Url

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ringback._ringback import Ringback

__all__ = ["BoundCallbacks", "Callbacks", "attach"]

_RESOLVE_SECONDS = 1.0
# What API users are told: nothing that would let them look around in our network.
_REFUSED = "this URL cannot be called: it must lead to a public address on a usual web port"


class BoundCallbacks:
    """The callbacks of the operation that is running, ready to be bound to a key of yours."""

    def __init__(
        self, ringback: "Ringback", operation: str, exchange: Exchange, resolved: dict[str, BoundUrl] | None
    ) -> None:
        self._ringback = ringback
        self._resolved = resolved
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
        same target; with another URL it raises `TargetConflict` unless `replace`. `response` is the value
        that you are about to return, for expressions that read ``$response``.
        """
        resolved = self._resolved
        if resolved is None or response is not None:
            as_json = getattr(response, "model_dump", None)
            body = response if as_json is None else as_json(mode="json", by_alias=True)
            exchange = replace_fields(self.exchange, response=body)
            resolved = self._ringback.outbox.resolve(self.operation, exchange)
        return self._ringback.bind_resolved(
            session, resolved, self.operation, key=key, owner=owner, replace=replace
        )


async def _callbacks(request: Request) -> BoundCallbacks:
    """Read the exchange and judge its URLs, names included, before any transaction begins."""
    ringback: Ringback | None = getattr(request.app.state, "ringback", None)
    if ringback is None:
        raise RingbackError(
            "This endpoint asks for Callbacks, and its app has no Ringback. "
            "Add Ringback(app) where the app is made."
        )
    operation = operation_of(request.app, request)
    exchange = await _exchange(request)
    contracts = ringback.contracts().of_operation(operation)
    if any(contract.template.needs_response for contract in contracts.values()):
        return BoundCallbacks(ringback, operation, exchange, None)
    try:
        resolved = ringback.outbox.resolve(operation, exchange)
        await _judge_names(ringback, [bound.url for bound in resolved.values() if bound.url is not None])
    except UnusableValue as error:
        raise RequestValidationError([_finding(error.source, error.reason)]) from error
    except Blocked as error:
        base = next((str(c.template.base) for c in contracts.values()), "$request")
        raise RequestValidationError([_finding(base, _REFUSED)]) from error
    return BoundCallbacks(ringback, operation, exchange, resolved)


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


async def _judge_names(ringback: "Ringback", urls: list[Url]) -> None:
    async def judge(url: Url) -> None:
        # A name that does not resolve yet may do so later; every attempt judges again.
        try:
            await ringback.guard.addresses(url, timeout=_RESOLVE_SECONDS)
        except Unresolved:
            return

    await asyncio.gather(*(judge(url) for url in dict.fromkeys(urls)))


async def _exchange(request: Request) -> Exchange:
    query: dict[str, str | list[str]] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        query[name] = values[0] if len(values) == 1 else values
    headers: dict[str, str | list[str]] = {}
    for name in request.headers:
        values = request.headers.getlist(name)
        headers[name] = values[0] if len(values) == 1 else values
    return Exchange(
        query=query,
        path={name: str(value) for name, value in request.path_params.items()},
        headers=headers,
        body=await _json_body(request),
        url=str(request.url),
        method=request.method,
    )


async def _json_body(request: Request) -> Any:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not (media_type == "application/json" or media_type.endswith("+json")):
        return None
    # Kept by the request since FastAPI read it, so nothing is parsed twice.
    return await request.json() if await request.body() else None


def _finding(source: str, reason: str) -> dict[str, Any]:
    """A validation error in FastAPI's own form; its place is read from the expression."""
    text = source.removeprefix("$request.")
    where, _, name = text.partition("#/") if text.startswith("body") else text.partition(".")
    place = (where, *name.split("/")) if name else (where,)
    return {"type": "callback_url", "loc": place, "msg": reason, "input": None}
