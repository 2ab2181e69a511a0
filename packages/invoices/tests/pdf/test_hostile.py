"""Texts from strangers are set as texts: nothing is fetched, read, run or hidden, and nothing fails."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoices.pdf import (
    InvoicePdf,
    PdfFailed,
    PdfLine,
    PdfRefused,
    PdfTimeout,
    Renderer,
    render,
    render_invoice,
)
from invoices.pdf._typesetting import typeset
from invoices.pdf.document import LONGEST_TEXT, MOST_LINES
from invoices.pdf.text import file_stem, printable
from invoices.pdf.view import view

Make = Callable[..., InvoicePdf]
Pages = Callable[[bytes], list[str]]


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine, and the paths that were asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


MARKUP = [
    '<img src="{url}/img">',
    "url({url}/url)",
    "<link rel=stylesheet href={url}/css>",
    '#image("/etc/passwd")',
    '#image("{url}/image.png")',
    '#read("/etc/passwd")',
    '#import "{url}/x.typ": *',
    '#import "@preview/tablex:0.0.8": tablex',
    "#panic()",
    "#while true {{}}",
    "$ sum_(k=0)^n $ *bold* _it_ `raw` = Heading",
    "<label> @label \\u{{41}} // comment /* more */",
    '"}}); #sys.inputs',
    "file:///etc/passwd",
    "{{{{ 7*7 }}}} {{% include '/etc/passwd' %}} ${{7*7}}",
]


@pytest.mark.parametrize("markup", MARKUP)
async def test_markup_is_set_as_it_is_written(
    invoice: Make, pages: Pages, canary: tuple[str, list[str]], markup: str
) -> None:
    url, asked = canary
    text = markup.format(url=url)
    data = invoice(title=text, customer=text, note=text, seller=text, lines=(PdfLine(text, 999_900, text),))
    page = "".join("".join(pages(await render(data))).split())
    assert page.count("".join(text.split())) >= 5
    assert asked == []
    assert "root:" not in page


UNUSUAL = [
    "東京 株式会社",
    "שלום مرحبا",
    "हिन्दी ไทย ខ្មែរ",
    "😀👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "Z̸̡̢͓̥̒̉ą̵̛͔l̴͎͆g̷o" * 10,
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ﷽ ﷺ",
    "\U0010ffff\ue000\ufffe",
    "a\u0300" * 200,
    "\u200b\u200d\u2060\ufeff",
]


@pytest.mark.parametrize("text", UNUSUAL)
def test_letters_that_no_font_has_do_not_fail(invoice: Make, pages: Pages, text: str) -> None:
    (page,) = pages(render_invoice(invoice(customer=text, title=text, seller=text)))
    assert "9,999.00 USD" in page


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("two\r\nlines\tand \u2028 more", "two lines and more"),
        ("\x00\x1b[31mred\x07", "[31mred"),
        ("100\u202e99.9", "10099.9"),
        ("\u2066left\u2069\u200fright", "leftright"),
        ("in\u200bvi\ufeffsi\u00adble", "invisible"),
        ("می\u200cخواهم 👩\u200d🔧", "می\u200cخواهم 👩\u200d🔧"),
        ("half \ud83d of a pair", "half of a pair"),
        ("  spaced   out  ", "spaced out"),
        ("Zoë Ångström, née O’Brien", "Zoë Ångström, née O’Brien"),
    ],
)
def test_what_cannot_be_read_is_left_out(text: str, kept: str) -> None:
    assert printable(text) == kept


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300))
def test_any_text_makes_a_document(invoice: Make, text: str) -> None:
    pdf = render_invoice(invoice(customer=text, title=text, id=text or "1", note=text))
    assert pdf.startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("2expen51ve", "2expen51ve"),
        ("../../etc/passwd", "etc-passwd"),
        ("INV 2026/07", "INV-2026-07"),
        ("...", "invoice"),
        ("東京", "invoice"),
        ("a\r\nX: y", "a-X-y"),
        ("x" * 300, "x" * 80),
        ("CON" + "." * 100 + "-", "CON"),
    ],
)
def test_file_names_are_plain(text: str, stem: str) -> None:
    assert file_stem(text) == stem


def test_f77_ten_thousand_lines_are_refused_and_not_typeset(invoice: Make) -> None:
    with pytest.raises(PdfRefused, match=f"10000 lines; a PDF takes {MOST_LINES} at most"):
        view(invoice(lines=(PdfLine("x", 100),) * 10_000))


def test_huge_texts_are_refused(invoice: Make) -> None:
    with pytest.raises(PdfRefused, match="5000 characters"):
        view(invoice(title="x" * 5_000))
    lines = (PdfLine("x" * LONGEST_TEXT, 100),) * 101
    with pytest.raises(PdfRefused, match="altogether"):
        view(invoice(lines=lines, total_minor=10_100))


def test_lines_that_contradict_the_total_are_refused(invoice: Make) -> None:
    with pytest.raises(PdfRefused, match="add up to 100 minor units, but the total is 999900"):
        view(invoice(lines=(PdfLine("x", 100),)))


def test_a_date_without_a_time_zone_is_refused(invoice: Make) -> None:
    with pytest.raises(PdfRefused, match="no time zone"):
        view(invoice(issued_at=invoice().issued_at.replace(tzinfo=None)))


async def test_the_largest_document_fits_the_limits(invoice: Make) -> None:
    lines = (PdfLine("W" * 100 + " words" * 15, 100),) * MOST_LINES
    pdf = await render(invoice(lines=lines, total_minor=100 * MOST_LINES))
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1].extract_text()


async def test_a_child_makes_the_same_bytes(invoice: Make) -> None:
    assert await render(invoice()) == render_invoice(invoice())


async def test_f77_what_takes_too_long_is_stopped(invoice: Make) -> None:
    with pytest.raises(PdfTimeout, match=r"'2expen51ve' took more than 0\.001 s"):
        await Renderer(deadline=0.001).render(invoice())


async def test_f77_what_takes_too_much_memory_is_stopped(invoice: Make) -> None:
    with pytest.raises(PdfFailed, match="the typesetter ended with"):
        await Renderer(memory=64 << 20).render(invoice())


def test_what_the_template_cannot_set_is_a_failure_with_its_reason() -> None:
    with pytest.raises(PdfFailed, match=r"the typesetter refused the invoice: .*heading"):
        typeset(b'{"timestamp": 0, "invoice": {"tone": "open"}}')


async def test_a_typesetter_that_is_not_there_is_a_failure(
    invoice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(PdfFailed, match="could not be started"):
        await render(invoice())


async def test_the_child_knows_no_secrets(
    invoice: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\ncat > {tmp_path}/order\nprintf %s done\n")
    program.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(program))
    monkeypatch.setenv("INVOICES_STRIPE_SECRET_KEY", "sk_live_of_the_service")
    assert await render(invoice()) == b"done"
    assert "sk_live_of_the_service" not in (tmp_path / "seen").read_text()
    assert json.loads((tmp_path / "order").read_bytes())["invoice"]["id"] == "2expen51ve"
