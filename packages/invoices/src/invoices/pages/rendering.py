"""How every page is made: templates that escape, and headers that let nothing in from elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from invoices.invoices.money import EXPONENTS, amount_of
from invoices.pages.assets import VERSION
from invoices.security_headers import policy

__all__ = ["day", "figure", "page"]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def figure(minor: int, currency: str) -> str:
    """The amount's digits without its currency, such as ``9,999.00``."""
    currency = currency.upper()
    return f"{amount_of(minor, currency):,.{EXPONENTS[currency]}f}"


def day(moment: datetime) -> str:
    """A date as a person writes it, in UTC, such as ``24 November 2026``."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def clock(moment: datetime) -> str:
    """The time of the day in UTC, such as ``14:05 UTC``."""
    return f"{moment.astimezone(UTC):%H:%M} UTC"


_environment = Environment(
    loader=PackageLoader("invoices.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(figure=figure, day=day, clock=clock)


def page(
    request: Request,
    template: str,
    *,
    testing: bool,
    status_code: int = 200,
    form_targets: Sequence[str] = (),
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page of this service. `testing` puts the banner on it that no real money moves.

    `form_targets` are the origins beside this one to which the page's form may lead, redirects included:
    Chromium applies ``form-action`` to those too.
    """
    assets = f"{request.scope.get('root_path', '')}/pages"
    html = _environment.get_template(template).render(
        **values, testing=testing, assets=assets, version=VERSION
    )
    return HTMLResponse(html, status_code, headers=_headers(form_targets) | (headers or {}))


def _headers(form_targets: Sequence[str]) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(
            style_src="'self'", img_src="'self'", form_action=" ".join(("'self'", *form_targets))
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
