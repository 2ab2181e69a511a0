"""Pages that an app adds to its console, and documents from outside that they show in a frame."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ringback._errors import RingbackError
from ringback.console._headers import FRAMED
from ringback.console._rendering import PLACES, Place

__all__ = ["Section", "framed", "places_of"]

_PATH: Final = re.compile(r"/[a-z][a-z0-9-]{0,31}")
_TAKEN: Final = {"/live", "/static", "/sign-in", "/sign-out", *(place.path for place in PLACES)}


@dataclass(frozen=True, slots=True)
class Section:
    """Pages of an app's own in its console: a place in the menu, and what answers there.

    `path` is ``/`` and a word, and all `routes` begin with it. They are Starlette's, stand behind the same
    sign-in, forms and headers as the console's own, and answer with `ringback.console.page`. `templates` is a
    folder of Jinja templates. `g` and then `letter` goes there by keyboard; `icon` is a name in
    ``parts.html``, such as ``mail``, ``paper``, ``people``, ``key``.
    """

    path: str
    title: str
    letter: str
    routes: Sequence[Route]
    templates: Path | None = None
    icon: str = "paper"


def places_of(sections: Sequence[Section]) -> list[Place]:
    """The menu with these sections. Raises `RingbackError` where one cannot stand in it."""
    places = list(PLACES)
    for section in sections:
        letters, paths = {place.letter for place in places}, {place.path for place in places} | _TAKEN
        if not _PATH.fullmatch(section.path) or section.path in paths:
            raise RingbackError(
                f"A section of the console has the path {section.path!r}; give one such as '/mails' that "
                f"is none of {', '.join(sorted(paths))}."
            )
        astray = [r.path for r in section.routes if (r.path + "/").find(f"{section.path}/") != 0]
        if astray:
            raise RingbackError(
                f"The route {astray[0]!r} is of the section {section.path!r}, and must begin with it."
            )
        if len(section.letter) != 1 or not section.letter.isalpha() or section.letter in letters:
            raise RingbackError(
                f"The section {section.path!r} has the letter {section.letter!r}; give one that is none of "
                f"{', '.join(sorted(letters))}."
            )
        places.append(Place(section.path, section.title, section.icon, section.letter))
    return places


def framed(request: Request, html: str) -> HTMLResponse:
    """A document from elsewhere, such as a mail, for an ``<iframe>`` on a page of the console.

    Nothing in it runs, nothing is loaded for it, and it reaches neither the console nor its cookies; links in
    it open in a new window.
    """
    request.scope[FRAMED] = True
    return HTMLResponse(html)
