"""How every page is made: templates that escape, and the words and marks that they use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ringback.console import _words
from ringback.console._files import VERSION
from ringback.console._foreign import foreign, plain, url_parts

__all__ = ["PLACES", "Place", "error_page", "make_environment", "page"]


@dataclass(frozen=True, slots=True)
class Place:
    """A page that every page leads to: `g` and then `letter` goes there.

    `icon` is one of the pictures of ``parts.html``.
    """

    path: str
    title: str
    icon: str
    letter: str


PLACES: Final = (
    Place("/overview", "Overview", "chart", "o"),
    Place("/deliveries", "Deliveries", "list", "d"),
    Place("/endpoints", "Endpoints", "plug", "e"),
)


def make_environment(places: Sequence[Place], folders: Iterable[Path] = ()) -> Environment:
    """What makes pages; templates of the console go before those of the same name in `folders`."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("ringback.console"), *map(FileSystemLoader, folders)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        foreign=foreign,
        plain=plain,
        span=_words.span,
        stamp=_words.stamp,
        iso=_words.iso,
        capital=_words.capital,
        clock=_words.clock,
        per_cent=_words.per_cent,
    )
    environment.globals.update(
        ago=_words.ago, count=_words.count, meanings=_words.MEANINGS, places=places, url_parts=url_parts
    )
    return environment


def page(
    request: Request,
    template: str,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page for whoever is asking, from a template that may extend ``base.html``.

    Beside `values` it is given ``root`` (what links begin with), ``here`` (the path below it), ``title`` and
    ``visit``, whose ``token`` every form must carry in the field ``token``.
    """
    console, root = request.app.state.console, request.scope["root_path"]
    html = console.environment.get_template(template).render(
        **values,
        root=root,
        here=request.scope["path"].removeprefix(root),
        title=console.title,
        visit=request.scope.get("ringback.console.visit"),
        has_sign_in=console.authenticate is None,
        version=VERSION,
    )
    return HTMLResponse(html, status, headers)


_EXPLANATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "elsewhere": (
        "This form was not sent from the console",
        "The browser says that it was sent from another site, or does not say where from. Nothing "
        "was changed. Open the console by https or on this machine, and try again there.",
    ),
    "token": (
        "This form is out of date",
        "Your session has ended since the page was opened, or cookies are switched off. Nothing was changed. "
        "Open the page again, and repeat what you did.",
    ),
    "400": (
        "This request cannot be read",
        "It is not what a form of the console sends. Nothing was changed.",
    ),
    "403": ("This page is not for you", "The application says that you may not use its console."),
    "404": (
        "There is nothing here",
        "The address may be mistyped, or what it showed has been deleted since: deliveries are kept for a "
        "while after they have ended.",
    ),
    "405": ("This cannot be done here", "The page does not take this kind of request. Nothing was changed."),
    "503": (
        "The database does not answer",
        "Nothing was changed. Deliveries are safe in it, and go on when it is back. The log has the details; "
        "`ringback doctor` says what is wrong.",
    ),
    "500": ("Something went wrong", "This is a defect of the console. The log has the details."),
}


def error_page(
    request: Request, status: int, headers: Mapping[str, str] | None = None, *, reason: str = ""
) -> HTMLResponse:
    """A page that says what went wrong, and what to do."""
    heading, text = _EXPLANATIONS.get(reason or str(status), _EXPLANATIONS["400"])
    return page(request, "error.html", status, headers, heading=heading, text=text, code=status)
