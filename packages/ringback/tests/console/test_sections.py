"""Pages that an app adds to its console: in the menu, behind the sign-in, in the console's own dress."""

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback import Ringback, RingbackError
from ringback.console import Console, Section, framed, page

OpenOffice = Any


async def parcels(request: Request) -> Response:
    return page(request, "parcels.html", parcels=["<b>one</b>", "two"])


async def letter(request: Request) -> Response:
    return framed(request, "<script>parent.owned = 1</script><p style='color: red'>Hello</p>")


def section(folder: Path, **changes: Any) -> Section:
    (folder / "parcels.html").write_text(
        '{% extends "base.html" %}{% from "parts.html" import chip %}{% block title %}Parcels{% endblock %}'
        "{% block content %}<h1>Parcels</h1>{% for one in parcels %}{{ one | foreign }}{% endfor %}"
        '{{ chip("delivered") }}<form method="post"><input name="token" value="{{ visit.token }}"></form>'
        "{% endblock %}"
    )
    routes = [Route("/parcels", parcels, methods=["GET", "POST"]), Route("/parcels/letter", letter)]
    values: dict[str, Any] = {"path": "/parcels", "title": "Parcels", "letter": "p", "routes": routes}
    return Section(**(values | {"templates": folder, "icon": "mail"} | changes))


async def test_a_section_has_its_place_in_the_menu_and_its_pages(
    open_office: OpenOffice, tmp_path: Path
) -> None:
    async with open_office(sections=[section(tmp_path)]) as office:
        assert (await office.operator.get("/parcels")).status_code == 303
        await office.operator.sign_in()
        assert 'data-goes="p" href="/console/parcels"' in (await office.operator.get("/overview")).text
        shown = await office.operator.get("/parcels")
        assert "&lt;b&gt;one&lt;/b&gt;" in shown.text
        assert 'href="/console/parcels" aria-current="page"' in shown.text
        assert "script-src 'self'" in shown.headers["content-security-policy"]


async def test_its_forms_are_guarded_like_the_consoles_own(open_office: OpenOffice, tmp_path: Path) -> None:
    async with open_office(sections=[section(tmp_path)]) as office:
        await office.operator.sign_in()
        assert (await office.operator.post("/parcels")).status_code == 403
        assert (await office.operator.submit("/parcels")).status_code == 200


async def test_a_framed_document_reaches_nothing(open_office: OpenOffice, tmp_path: Path) -> None:
    async with open_office(sections=[section(tmp_path)]) as office:
        await office.operator.sign_in()
        answer = await office.operator.get("/parcels/letter")
        policy = answer.headers["content-security-policy"].split("; ")
        assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
        assert {"default-src 'none'", "frame-ancestors 'self'", "form-action 'none'"} <= set(policy)
        assert not any("script" in rule for rule in policy)
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["cache-control"] == "no-store"
        other = await office.operator.get("/parcels")
        assert other.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "/deliveries"}, "has the path '/deliveries'"),
        ({"path": "/static"}, "has the path '/static'"),
        ({"path": "parcels"}, "has the path 'parcels'"),
        ({"path": "/other"}, "must begin with it"),
        ({"letter": "d"}, "has the letter 'd'"),
        ({"letter": "pp"}, "has the letter 'pp'"),
    ],
)
async def test_a_section_that_could_not_be_reached_is_refused(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    ringback = Ringback(database="sqlite+aiosqlite://", worker="external")
    with pytest.raises(RingbackError, match=words):
        Console(ringback, secret="x" * 32, sections=[section(tmp_path, **changes)])
    await ringback.engine.dispose()
