"""Every error answer of the API: RFC 9457 problem documents that name the field and the reason."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["FieldError", "Problem", "ProblemResponse", "ServiceError", "install", "responses"]


class FieldError(BaseModel):
    """One thing that is wrong with one value of the request."""

    field: str = Field(description="The value's name; nested names are joined by dots.", examples=["total"])
    place: str = Field(description="Where it was: body, query, path or header.", examples=["body"])
    reason: str = Field(description="What is wrong with it.", examples=["the amount must be more than zero"])


class Problem(BaseModel):
    """A problem document (RFC 9457). Its type is always about:blank: the status says which it is."""

    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(description="The status code of this answer.", examples=[422])
    detail: str = Field(description="What happened, and what to do.", examples=["total: must be positive"])
    errors: list[FieldError] = Field(default=[], description="The values that are wrong, when it is values.")


class ProblemResponse(JSONResponse):
    """A problem document as an answer."""

    media_type = "application/problem+json"

    def __init__(
        self,
        status_code: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        problem = Problem(title=_title(status_code), status=status_code, detail=detail, errors=list(errors))
        super().__init__(problem.model_dump(), status_code, headers)


def _title(status_code: int) -> str:
    # Named here because Python 3.13 renamed some of them after RFC 9110.
    later = {413: "Content Too Large", 422: "Unprocessable Content"}
    return later.get(status_code) or HTTPStatus(status_code).phrase


class ServiceError(Exception):
    """An expected refusal; its class fixes the status, its text goes to the API user.

    `field` and `place` name the value of the request that is to blame, where one is.
    """

    status_code: ClassVar[int] = 400
    always: ClassVar[Mapping[str, str]] = {}
    """Headers of the answer, where a single refusal does not give its own."""
    sends: ClassVar[Mapping[str, Any]] = {}
    """What the API's document says of the answer's headers."""

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        place: str = "body",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail
        self.headers = self.always if headers is None else headers
        self.errors = [FieldError(field=field, place=place, reason=detail)] if field else []
        super().__init__(detail)

    @classmethod
    def schema(cls) -> dict[int | str, dict[str, Any]]:
        """This error's entry for `responses=` of an operation."""
        entry = _documented((cls.__doc__ or "").partition("\n")[0], cls.status_code)
        return {cls.status_code: entry | ({"headers": dict(cls.sends)} if cls.sends else {})}


class Invalid(ServiceError):
    """A value of the request is not acceptable."""

    status_code = 422


class NotFound(ServiceError):
    """There is no such thing, or it belongs to another account."""

    status_code = 404


class Conflict(ServiceError):
    """The request contradicts what is stored already."""

    status_code = 409


class Unauthorized(ServiceError):
    """The request needs a valid API key."""

    status_code = 401
    always: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(ServiceError):
    """The service does not accept this request from this place."""

    status_code = 403


class UnsupportedType(ServiceError):
    """The body is not JSON."""

    status_code = 415


class Unreadable(ServiceError):
    """The body cannot be read as JSON."""

    status_code = 400


class TooLarge(ServiceError):
    """The body is larger than the service reads."""

    status_code = 413


def _documented(description: str, status_code: int) -> dict[str, Any]:
    # Not FastAPI's "model", which would document the answer as application/json.
    problem = Problem(title=_title(status_code), status=status_code, detail=description)
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem.model_dump()}
    return {"description": description, "content": {ProblemResponse.media_type: content}}


def responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """What an operation's `responses=` says about these errors; same statuses are told together."""
    documented: dict[int | str, dict[str, Any]] = {"default": _documented("Any other refusal.", 400)}
    for error in errors:
        for status_code, entry in error.schema().items():
            known = documented.setdefault(status_code, entry)
            if known is not entry:
                known["description"] += " " + entry["description"]
    return documented


def field_errors(findings: Sequence[Any]) -> list[FieldError]:
    """Pydantic's findings as field errors; the refused values themselves are not repeated."""
    return [
        FieldError(
            field=".".join(str(part) for part in finding["loc"][1:]) or str(finding["loc"][0]),
            place=str(finding["loc"][0]),
            reason=_reason(finding),
        )
        for finding in findings
    ]


def _reason(finding: Mapping[str, Any]) -> str:
    if finding["type"] == "json_invalid":
        return f"not JSON: {finding['ctx']['error']}"
    if finding["type"] == "missing":
        return "is required"
    if "reason" in finding.get("ctx", {}):
        return str(finding["ctx"]["reason"])
    text = str(finding["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]


def _refused(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, ServiceError)
    return ProblemResponse(error.status_code, error.detail, error.errors, error.headers)


def _invalid(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    errors = field_errors(error.errors())
    # `field` of a body that is no JSON is the position where reading stopped, which names nothing.
    if any(finding["type"] == "json_invalid" for finding in error.errors()):
        errors = [FieldError(field="body", place="body", reason=errors[0].reason)]
        return ProblemResponse(400, errors[0].reason, errors)
    detail = "; ".join(f"{found.field}: {found.reason}" for found in errors[:5])
    return ProblemResponse(422, detail, errors[:50])


def _http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
    return ProblemResponse(error.status_code, str(error.detail), headers=headers)


def _methods(request: Request) -> list[str]:
    """What this path takes (RFC 9110, section 15.5.6). Starlette names the methods of one route only."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if takes(method)]


def _busy(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, OperationalError)
    if "database is locked" not in str(error.orig):
        raise error
    detail = "The database is busy, and nothing was stored. Send the request again."
    return ProblemResponse(503, detail, headers={"Retry-After": "1"})


class UnexpectedErrors:
    """The outermost wrapper: what nobody expected becomes a problem document, and still reaches the log.

    Starlette's own handler would answer in plain text, and outside every other middleware.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer for the app only where it has not begun to."""
        started = False

        async def watch(message: Any) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            if scope["type"] == "http" and not started:
                answer = ProblemResponse(
                    500, "Something went wrong here; the operator's log has the details."
                )
                await answer(scope, receive, send)
            raise


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document, and have the API's document say what that is."""
    app.add_exception_handler(ServiceError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _busy)
    undescribed = app.openapi

    def openapi() -> dict[str, Any]:
        document = undescribed()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["Problem"] = problem
        return document

    app.openapi = openapi  # type: ignore[method-assign]
