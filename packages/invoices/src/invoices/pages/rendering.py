"""How every page is made: templates that escape, and headers that let nothing in from elsewhere."""

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from invoices.languages import ENGLISH
from invoices.pages.assets import VERSION
from invoices.security_headers import policy
from invoices.templates import in_languages

__all__ = ["page"]

_ENVIRONMENTS = in_languages("invoices.pages", autoescape=True)


def page(
    request: Request,
    template: str,
    *,
    testing: bool,
    language: str = ENGLISH,
    status_code: int = 200,
    form_targets: Sequence[str] = (),
    live: bool = False,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page of this service. `testing` puts the banner on it that no real money moves.

    `form_targets` are the origins beside this one to which the page's form may lead, redirects included:
    Chromium applies ``form-action`` to those too. A `live` page may run our script and ask us for news.
    """
    assets = f"{request.scope.get('root_path', '')}/pages"
    html = (
        _ENVIRONMENTS[language]
        .get_template(template)
        .render(**values, testing=testing, assets=assets, version=VERSION)
    )
    return HTMLResponse(html, status_code, headers=_headers(form_targets, live) | (headers or {}))


def _headers(form_targets: Sequence[str], live: bool) -> dict[str, str]:
    scripts = {"script_src": "'self'", "connect_src": "'self'"} if live else {}
    return {
        "Content-Security-Policy": policy(
            style_src="'self'", img_src="'self'", form_action=" ".join(("'self'", *form_targets)), **scripts
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
