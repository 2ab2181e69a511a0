"""Documents in other languages and scripts: their words, their fonts, and what is said where none is."""

import io
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pypdf
import pytest

from invoices.invoices.lifecycle import Status
from invoices.pdf import InvoicePdf, PdfFailed, PdfLine, PdfRefused, PdfTax, Renderer, render_invoice
from invoices.pdf import _fonts as fonts
from invoices.pdf.text import isolated
from invoices.pdf.view import view

Make = Callable[..., InvoicePdf]
Pages = Callable[[bytes], list[str]]

HEBREW = "ספינות הזהב"


@pytest.fixture
def without_cjk(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were not installed."""
    monkeypatch.setattr(fonts, "_EAST_ASIAN", "fonts_that_nobody_has_installed")
    monkeypatch.setattr(fonts, "_PACKAGES", ("fontpkg_noto_sans", "manimgx_fonts"))


def _families(pdf: bytes) -> set[str]:
    resources = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]
    named = [font.get_object()["/BaseFont"] for font in resources["/Font"].values()]  # type: ignore[index]
    return {str(name).partition("+")[2].partition("-")[0] for name in named}


def test_an_invoice_in_chinese_is_chinese_throughout(invoice: Make, pages: Pages) -> None:
    chinese = invoice(
        language="zh-CN",
        customer="李小明",
        seller="金门游艇公司",
        due_on=date(2026, 12, 8),
        number=7,
        lines=(PdfLine("游艇保养", 840_252, "2", unit_price="4201.26"),),
        taxes=(PdfTax("19", 840_252, 159_648),),
    )
    pdf = render_invoice(chinese)
    (page,) = pages(pdf)
    written = page.replace(" ", "")
    for words in (
        *("账单编号", "开具日期2026年11月4日", "付款期限2026年12月8日", "待支付", "付款方李小明", "应付金额"),
        *("在线支付", "项目", "数量", "单价", "小计", "税（19%）", "合计", "第1页，共1页", "9,999.00USD"),
    ):
        assert words in written
    about = pypdf.PdfReader(io.BytesIO(pdf))
    assert about.metadata is not None
    assert about.metadata.title == "账单 2expen51ve"
    assert about.trailer["/Root"]["/Lang"] == "zh-CN"  # type: ignore[index]
    assert pdf == render_invoice(chinese)


def test_every_status_has_its_words_in_every_language(invoice: Make) -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    for language, paid in (("en", "Paid on 1 December 2026"), ("zh-CN", "已于2026年12月1日支付")):
        words = {
            status: view(invoice(status=status, paid_at=moment, language=language))["status"]
            for status in Status
        }
        assert len(set(words.values())) == len(Status)
        assert words[Status.PAID] == paid


@pytest.mark.parametrize(
    ("text", "family"),
    [
        *(("Zoë Ωμέγα Привет", "NotoSans"), (HEBREW, "NotoSansHebrew"), ("محمد", "NotoSansArabic")),
        *(("東京の株式会社", "NotoSansCJKsc"), ("주식회사 서울", "NotoSansCJKsc")),
    ],
)
def test_each_script_has_a_font_of_its_own(invoice: Make, pages: Pages, text: str, family: str) -> None:
    pdf = render_invoice(invoice(customer=text))
    assert any(name.startswith(family) for name in _families(pdf)), _families(pdf)
    letters = {letter for letter in unicodedata.normalize("NFKC", text) if letter.isalpha()}
    assert letters <= set(unicodedata.normalize("NFKC", pages(pdf)[0]))
    assert fonts.lacking(text) == set()


@pytest.mark.usefixtures("without_cjk")
def test_without_the_extra_chinese_is_refused_with_what_to_install(invoice: Make) -> None:
    with pytest.raises(PdfRefused, match=r"the invoice has 会 公 司 社; install .*'invoices\[cjk\]'"):
        render_invoice(invoice(customer="会社 公司"))
    with pytest.raises(PdfRefused, match=r"and \d+ more; install the extra `cjk`"):
        render_invoice(invoice(language="zh-CN"))
    assert render_invoice(invoice(customer="Zoë Ωμέγα Привет")).startswith(b"%PDF-")


def test_what_no_font_has_is_replaced_and_the_paper_says_so(invoice: Make, pages: Pages) -> None:
    (page,) = pages(render_invoice(invoice(customer="Mr. \U00012000 Rich")))
    assert "Mr. � Rich" in page
    assert "Some characters could not be printed" in page
    (page,) = pages(render_invoice(invoice(customer="Mr. Rich 👩\u200d🔧 \ufe0f")))
    assert "could not be printed" not in page


async def test_a_refusal_of_the_child_is_a_refusal(
    invoice: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    for code, kind in ((3, PdfRefused), (1, PdfFailed)):
        program.write_text(f"#!/bin/sh\ncat > /dev/null\nprintf 'no font 東' >&2\nexit {code}\n", "utf-8")
        program.chmod(0o700)
        monkeypatch.setattr("sys.executable", str(program))
        with pytest.raises(PdfFailed, match="no font 東") as caught:
            await Renderer().render(invoice())
        assert type(caught.value) is kind


def test_a_name_that_runs_to_the_left_turns_nothing_beside_it(invoice: Make, pages: Pages) -> None:
    shown = view(invoice(seller=HEBREW, id="חשבון-17", customer=HEBREW, title=HEBREW, note=HEBREW))
    assert shown["footer"] == f"\u2068{HEBREW}\u2069 · \u2068Invoice חשבון-17\u2069"
    for name in ("seller", "customer", "note", "id"):
        assert shown[name].startswith("\u2068")
        assert shown[name].endswith("\u2069")
    (page,) = pages(render_invoice(invoice(seller=HEBREW, customer="محمد 12.50 (Ltd.)")))
    assert "9,999.00 USD" in page
    assert "Page 1 of 1" in page
    assert "could not be printed" not in page


def test_only_what_runs_to_the_left_is_isolated() -> None:
    assert isolated("Mr. Rich 東京 12") == "Mr. Rich 東京 12"
    assert isolated("Mr. אב") == "\u2068Mr. אב\u2069"
    assert isolated("") == ""
