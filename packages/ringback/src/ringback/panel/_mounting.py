"""The panel's routes, and its place in FastAPI's documentation page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends as Dependency
from pydantic import BaseModel, Field

from ringback._errors import Blocked, RingbackError
from ringback._message import encode_head
from ringback._urls import MAX_URL_LENGTH, Url
from ringback.panel._allowances import Allowances
from ringback.panel._injecting import ScriptInPage
from ringback.panel._trial import NoSuchPlace, Trial, Trier, UnusableUrl

__all__ = ["SCRIPT", "mount_test_panel"]

SCRIPT: Final = "panel.js"
"""Below the panel's path: what a page of one's own loads, after Swagger UI and before that is started."""

_STATIC: Final = Path(__file__).parent / "static"
_FILES: Final = {SCRIPT: "text/javascript; charset=utf-8", "panel.css": "text/css; charset=utf-8"}
# What API users are told: nothing that would let them look around in our network.
_REFUSED: Final = "this URL cannot be called: it must lead to a public address on a usual web port"
_BURST: Final = 5


class Wanted(BaseModel):
    """Which callback of the document is tried, and where. `path` and `method` are those of its operation."""

    path: str = Field(max_length=1000)
    method: str = Field(max_length=20)
    callback: str = Field(max_length=255)
    url: str = Field(max_length=MAX_URL_LENGTH)


class SentRequest(BaseModel):
    """The request as it was sent."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str


class TestResult(BaseModel):
    """What came of a test delivery: no address, no time, and nothing of the answer's body."""

    __test__ = False  # for pytest, which collects classes of such a name

    id: str
    request: SentRequest
    good: bool
    status_code: int | None
    verdict: str
    breach: str | None


def mount_test_panel(
    app: FastAPI,
    *,
    dependencies: Sequence[Dependency],
    owner: Callable[..., Any] | None = None,
    path: str = "/callback-tests",
    per_minute: float = 10.0,
    timeout: float = 5.0,
) -> None:
    """Add "Send a test callback" to the Callbacks tab of an app's documentation page.

    `dependencies` say who may use it, as a router's do; `owner` is one that gives the owner whose secret
    signs (a text; not given, the owner is ""). An owner, and a host that is called, has `per_minute` tests,
    five of them at once; each process counts for itself. A receiver has `timeout` seconds to answer.

    FastAPI's own page at ``docs_url`` gets the panel by itself. Another page loads ``{path}/panel.js`` after
    Swagger UI's bundle and before the script that starts it. Raises `RingbackError` for an app without a
    Ringback.
    """
    if getattr(app.state, "ringback", None) is None:
        raise RingbackError("This app has no Ringback. Add Ringback(app) above mount_test_panel(app, ...).")
    app.include_router(
        _router(app, dependencies, owner or _nobody, per_minute, timeout),
        prefix=path,
        include_in_schema=False,
    )
    if app.docs_url is not None:
        app.add_middleware(ScriptInPage, page=app.docs_url, script=f"{path}/{SCRIPT}")


def _nobody() -> str:
    return ""


def _router(
    app: FastAPI,
    dependencies: Sequence[Dependency],
    owner_of: Callable[..., Any],
    per_minute: float,
    timeout: float,
) -> APIRouter:
    router = APIRouter()
    trier = Trier(app.state.ringback, timeout=timeout)
    owners, hosts = Allowances(per_minute, _BURST), Allowances(per_minute, _BURST)

    @router.post("", dependencies=list(dependencies))
    async def send_test(
        wanted: Wanted, request: Request, response: Response, owner: Annotated[str, Depends(owner_of)]
    ) -> TestResult:
        response.headers["Cache-Control"] = "no-store"
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "a page of another site cannot send tests")
        base = _base(trier, wanted.url)
        _spend(trier, owners, hosts, owner, base)
        try:
            trial = await trier.make(
                app.openapi(), wanted.path, wanted.method, wanted.callback, base, owner=owner
            )
        except Blocked:
            raise RequestValidationError([_finding("url", _REFUSED)]) from None
        except NoSuchPlace as error:
            raise RequestValidationError([_finding("callback", str(error))]) from None
        except RingbackError as error:
            raise HTTPException(409, f"no test can be made of this callback: {error}") from None
        return _result(trial)

    for name, kind in _FILES.items():
        router.add_api_route(f"/{name}", _file(name, kind), response_class=Response)
    return router


def _base(trier: Trier, text: str) -> Url:
    try:
        return trier.base(text)
    except UnusableUrl as error:
        raise RequestValidationError([_finding("url", str(error))]) from None


def _spend(trier: Trier, owners: Allowances, hosts: Allowances, owner: str, base: Url) -> None:
    wait = owners.take(owner) or hosts.take(base.host) or (5 if trier.is_busy else 0)
    if wait:
        raise HTTPException(
            429, f"too many test callbacks; the next one may be sent in {wait} s", {"Retry-After": str(wait)}
        )


def _result(trial: Trial) -> TestResult:
    request, told = trial.request, trial.told
    _, *lines = encode_head(request).decode("latin-1").rstrip().split("\r\n")
    sent = SentRequest(
        method=request.method,
        url=str(request.url),
        headers=[(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)],
        body=request.body.decode("utf-8", "replace"),
    )
    return TestResult(
        id=trial.message_id,
        request=sent,
        good=told.good,
        status_code=told.status_code,
        verdict=told.verdict,
        breach=told.breach,
    )


def _file(name: str, kind: str) -> Callable[[], Response]:
    content = (_STATIC / name).read_bytes()

    def read() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=3600"})

    return read


def _finding(field: str, reason: str) -> dict[str, Any]:
    """A validation error in FastAPI's own form."""
    return {"type": "callback_test", "loc": ("body", field), "msg": reason, "input": None}
