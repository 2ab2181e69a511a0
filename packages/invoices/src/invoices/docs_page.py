"""The API's documentation page: our own copy of Swagger UI, nothing from other hosts, no inline script."""

from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from invoices.accounts.access import ManagerDep
from invoices.security_headers import policy
from ringback.panel import SCRIPT, mount_test_panel

__all__ = ["install"]

_TESTS: Final = "/callback-tests"
_STATIC: Final = Path(str(files("invoices") / "static"))

# Swagger UI draws its icons from data: URLs.
_POLICY: Final = policy(
    script_src="'self'",
    style_src="'self'",
    img_src="'self' data:",
    connect_src="'self'",
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/svg+xml" href="{root}/static/favicon.svg">
<link rel="stylesheet" href="{root}/static/swagger-ui/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-document="{document}"></div>
<noscript>This page needs JavaScript. The document itself: <a href="{document}">{document}</a></noscript>
<script src="{root}/static/swagger-ui/swagger-ui-bundle.js"></script>
<script src="{root}{tests}"></script>
<script src="{root}/static/docs.js"></script>
</body>
</html>
"""


class _CachedFiles(StaticFiles):
    """Files that a browser keeps for an hour, and then only asks whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response


def install(app: FastAPI) -> None:
    """Serve ``/docs`` and what it needs. Test callbacks are signed, so they take a key with that scope."""

    async def docs(request: Request) -> HTMLResponse:
        root = escape(_root(request))
        document = f"{root}{escape(app.openapi_url or '')}"
        title = escape(f"{app.title}: API")
        page = _PAGE.format(title=title, root=root, document=document, tests=f"{_TESTS}/{SCRIPT}")
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    async def favicon(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{_root(request)}/static/favicon.svg", 308)

    app.add_route("/docs", docs, include_in_schema=False)
    app.add_route("/favicon.ico", favicon, include_in_schema=False)
    mount_test_panel(app, dependencies=[Depends(_account_of)], owner=_account_of, path=_TESTS)
    app.mount("/static", _CachedFiles(directory=_STATIC), name="static")


async def _account_of(account: ManagerDep) -> str:
    return account.id


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
