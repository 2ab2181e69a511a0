"""Every route that an application answers, those of included routers and mounted applications too."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route

__all__ = ["Served", "served_routes"]


@dataclass(frozen=True, slots=True)
class Served:
    """A path with its parameters, its methods, and whether the application's document tells of it.

    A mounted application whose routes cannot be seen is one route, with `methods` empty.
    """

    path: str
    methods: frozenset[str]
    documented: bool


def served_routes(app: Any) -> Iterator[Served]:
    """The routes of `app`. Raises TypeError for one of an unknown kind: better than to miss it."""
    yield from _of(app.routes, "", documented=True)


def _of(routes: Any, prefix: str, *, documented: bool) -> Iterator[Served]:
    for route in routes:
        if isinstance(route, Mount):
            within = _inside(route.app)
            yield Served(f"{prefix}{route.path}/", frozenset(), documented=False)
            if within is not None:
                yield from _of(within.routes, f"{prefix}{route.path}", documented=False)
        elif isinstance(route, Route):
            told = documented and route.include_in_schema
            yield Served(prefix + route.path, frozenset(route.methods or ()), told)
        elif hasattr(route, "original_router"):  # how newer releases of FastAPI keep an included router
            before = prefix + route.include_context.prefix
            told = documented and route.include_context.include_in_schema
            yield from _of(route.original_router.routes, before, documented=told)
        else:
            raise TypeError(f"a route of an unknown kind: {route!r}")


def _inside(app: Any) -> Starlette | None:
    """The application with routes in what wraps it, such as a middleware that adds headers."""
    for _ in range(5):
        if app is None or isinstance(app, Starlette):
            return app
        app = getattr(app, "app", None) or getattr(app, "_app", None)
    return None
