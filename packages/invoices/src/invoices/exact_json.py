"""Request bodies read as they were written: JSON numbers stay decimal and never become binary floats."""

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from invoices.errors import UnsupportedType

__all__ = ["ExactJsonRoute"]

# Longer than any number that means something here, and far below the length at which Python refuses to
# make an int of it.
_LONGEST_INT = 30


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_INT else Decimal(text)


class _ExactRequest(Request):
    async def json(self) -> Any:
        """The body. NaN and Infinity, which are no JSON, are kept: the field's own message refuses them."""
        if not hasattr(self, "_json"):
            text = (await self.body()).decode()
            self._json = json.loads(text, parse_float=Decimal, parse_int=_whole, parse_constant=Decimal)
        return self._json


class ExactJsonRoute(APIRoute):
    """A route whose body is JSON: another content type is refused, numbers are read exactly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind a request that reads its body this way."""
        handle = super().get_route_handler()

        async def handle_exactly(request: Request) -> Response:
            field = self.body_field
            if field is not None and (field.field_info.is_required() or _has_body(request)):
                _check_content_type(request.headers.get("content-type", ""))
            return await handle(_ExactRequest(request.scope, request.receive))

        return handle_exactly


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _check_content_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    subtype = media_type.removeprefix("application/")
    if media_type == subtype or not (subtype == "json" or subtype.endswith("+json")):
        named = f"not {media_type[:80]!r}" if media_type else "and none was named"
        raise UnsupportedType(
            f"the body must be application/json, {named}", field="content-type", place="header"
        )
