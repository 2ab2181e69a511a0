"""The console in a real browser: hostile answers, hostile sites, and an operator without scripts or mouse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from playwright.async_api import Browser, Page, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse
from testkit.serving import served

from ringback import Exchange, Ringback
from ringback._types import State
from ringback.console import Console

Office = Any

SECRET = "a-secret-that-nobody-guesses-0123456789"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
HOSTILE = (
    "<script>window.owned = 1; document.title = 'owned'</script><img src=x onerror='window.owned = 1'>"
    "\x1b]0;owned\x07 \x00 photo\u202egnp.exe\r\nINFO: all is well</pre></code><h1>owned</h1>"
)
KEY = "\"><script>window.owned = 1</script><svg onload='window.owned = 1'>"


expect.set_options(timeout=20_000)  # a busy machine draws slowly


@asynccontextmanager
async def visit(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    context = await browser.new_context(**options)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def sign_in(page: Page, url: str) -> None:
    await page.goto(url)
    await page.get_by_label("Secret").fill(SECRET)
    # The click returns before the next page is there, and going on would call it off.
    async with page.expect_navigation():
        await page.get_by_role("button", name="Sign in").click()


@asynccontextmanager
async def hostile_receiver() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            body = HOSTILE.encode()
            writer.write(b"HTTP/1.1 410 Gone\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def closing(ringback: Ringback) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await ringback.engine.dispose()


async def delivered_to(ringback: Ringback, url: str, callback: Any) -> str:
    async with ringback.running():
        async with ringback.transaction() as session:
            exchange = Exchange(query={"callback_url": url})
            await ringback.bind(session, "create_invoice", key=KEY, owner=KEY, exchange=exchange)
            delivery = await ringback.to(session, key=KEY, owner=KEY).send(callback)
        await ringback.drain()
    assert delivery is not None
    return delivery.id


async def test_t13_an_answer_is_text_whatever_it_holds(browser: Browser, sqlite_url: str) -> None:
    app, callbacks = FastAPI(), APIRouter()

    @callbacks.post("{$request.query.callback_url}")
    def notification() -> None: ...

    @app.post("/invoices/", callbacks=callbacks.routes, operation_id="create_invoice")
    def create_invoice(callback_url: str) -> None: ...

    ringback = Ringback(app, database=sqlite_url, allow_networks=["127.0.0.0/8"])
    app.mount("/console", Console(ringback, secret=SECRET))
    async with (
        closing(ringback),
        hostile_receiver() as receiver,
        served(app) as url,
        visit(browser) as page,
    ):
        id_ = await delivered_to(ringback, f"{receiver}/?token=t", notification)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        await sign_in(page, f"{url}/console/deliveries")
        for path in ("deliveries", "endpoints", f"deliveries/{id_}", f"deliveries/{id_}/replay"):
            await page.goto(f"{url}/console/{path}")
            assert await page.evaluate("window.owned") is None
            assert "owned" not in (await page.title()).replace("window.owned", "")
            assert await page.locator("script:not([src]), img[src='x'], svg[onload]").count() == 0
        await page.goto(f"{url}/console/deliveries/{id_}")
        answer = page.get_by_label("The answer’s body")
        await expect(answer).to_contain_text("<script>window.owned = 1;")
        await expect(answer).to_contain_text("ESC]0;ownedBEL � photoU+202Egnp.exeCR")
        assert await page.locator("h1").count() == 1
        assert complaints == []


async def test_t32_t33_other_sites_can_neither_send_its_forms_nor_frame_it(
    browser: Browser, office: Office
) -> None:
    id_ = await office.ended(State.DEAD)
    await office.owe("other")
    base = office.operator.base

    async def attack(request: Request) -> HTMLResponse:
        form = f"<form method=post action='{base}/deliveries/{id_}/replay'><button>Win</button></form>"
        return HTMLResponse(f"{form}<iframe src='{base}/deliveries'></iframe>")

    evil = FastAPI()
    evil.add_route("/", attack)
    before = await office.everything()
    async with served(evil) as evil_url, visit(browser) as page:
        await sign_in(page, f"{base}/deliveries")
        port = urlsplit(evil_url).port
        # The first is another site, to which no cookie goes; the second one shares the cookies of this site.
        for host in ("localhost", "127.0.0.1"):
            await page.goto(f"http://{host}:{port}/")
            [framed] = page.frames[1:]
            assert "msg_" not in await framed.content()
            async with page.expect_navigation() as navigation:
                await page.get_by_role("button", name="Win").click()
            response = await navigation.value
            assert response is not None
            assert (response.url, response.status) == (f"{base}/deliveries/{id_}/replay", 403)
            await expect(page.get_by_role("heading")).to_have_text("This form was not sent from the console")
        assert await office.everything() == before
        await page.goto(f"{base}/deliveries")
        await expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()


async def test_an_operator_needs_neither_scripts_nor_a_mouse(browser: Browser, office: Office) -> None:
    id_ = await office.ended(State.DEAD)
    async with visit(browser, java_script_enabled=False) as page:
        hosts: set[str] = set()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        await page.goto(f"{office.operator.base}/deliveries?state=dead")
        await page.keyboard.type(SECRET)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.get_by_role("rowheader").get_by_role("link").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Replay…").press("Enter")
        await page.get_by_role("button", name="Replay").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("It is sent again.")
        assert await office.state(id_) == "pending"
        await page.get_by_role("button", name="Sign out").press("Enter")
        await expect(page.get_by_label("Secret")).to_be_focused()
        assert hosts == {urlsplit(office.operator.base).netloc}


async def test_no_page_is_wider_than_a_phone(browser: Browser, office: Office) -> None:
    long = await office.owe("k" * 255, owner="o" * 255, url=f"https://{'h' * 60}.example/{'p' * 1900}")
    await office.attempt(
        long, State.PENDING, verdict="v" * 500, response="r" * 4000, breach="b" * 500, counts=-1
    )
    pages = (
        "deliveries",
        f"deliveries/{long}",
        f"deliveries/{long}/cancel",
        f"deliveries/{long}/curl",
        "deliveries/replay?state=delivered",
        "overview",
        "endpoints/1/rotate",
        "endpoints",
        "endpoints/1/disable",
    )
    async with visit(browser, **PHONE) as page:
        await sign_in(page, f"{office.operator.base}/")
        for path in (*pages, "deliveries?id=" + "x" * 200, "nothing"):
            await page.goto(f"{office.operator.base}/{path}")
            widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert widths == [390, 390], path
