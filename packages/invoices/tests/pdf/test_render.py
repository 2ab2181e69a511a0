"""What customers get to read: the words, the amounts, the pages, and the same bytes every time."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pypdf
import pytest

from invoices.invoices.lifecycle import Status
from invoices.pdf import InvoicePdf, PdfLine, render_invoice

Make = Callable[..., InvoicePdf]
Pages = Callable[[bytes], list[str]]


def test_says_who_owes_what(invoice: Make, pages: Pages) -> None:
    (page,) = pages(render_invoice(invoice()))
    for words in ("2expen51ve", "Mr. Richie Rich", "4 November 2026", "9,999.00 USD", "Open", "Page 1 of 1"):
        assert words in page


def test_the_link_to_pay_can_be_followed_and_read(invoice: Make, pages: Pages) -> None:
    pdf = render_invoice(invoice())
    notes: list[Any] = pypdf.PdfReader(io.BytesIO(pdf)).pages[0].annotations or []
    targets = {note.get_object()["/A"]["/URI"] for note in notes}
    assert targets == {"https://invoices.example.org/pay/token"}
    assert "https://invoices.example.org/pay/token" in pages(pdf)[0]


def test_a_paid_invoice_asks_for_nothing(invoice: Make, pages: Pages) -> None:
    paid = invoice(status=Status.PAID, paid_at=datetime(2026, 12, 1, tzinfo=UTC))
    (page,) = pages(render_invoice(paid))
    assert "Paid on 1 December 2026" in page
    assert "0.00 USD" in page
    assert "Pay online" not in page
    assert "/pay/" not in page


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.VOID, "Void"),
        (Status.REFUNDED, "Refunded"),
        (Status.PROCESSING, "Payment in progress"),
        (Status.PAID, "Paid"),
    ],
)
def test_only_an_open_invoice_can_be_paid(invoice: Make, pages: Pages, status: Status, words: str) -> None:
    (page,) = pages(render_invoice(invoice(status=status)))
    assert words in page
    assert "Pay online" not in page


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(9999, "JPY", "9,999 JPY"), (1_234_567, "KWD", "1,234.567 KWD"), (5, "EUR", "0.05 EUR")],
)
def test_amounts_have_the_decimals_of_their_currency(
    invoice: Make, pages: Pages, minor: int, currency: str, shown: str
) -> None:
    (page,) = pages(render_invoice(invoice(total_minor=minor, currency=currency)))
    assert shown in page


def test_lines_with_quantities_have_columns_for_them(invoice: Make, pages: Pages) -> None:
    lines = (PdfLine("Concept", 500_000, "10 h", 50_000), PdfLine("Travel", 499_900))
    (page,) = pages(render_invoice(invoice(lines=lines, title="Consulting", note="Thank you.")))
    for words in ("Consulting", "Concept", "10 h", "500.00 USD", "5,000.00 USD", "Travel", "4,999.00 USD"):
        assert words in page
    assert page.index("QUANTITY") < page.index("UNIT PRICE") < page.index("Concept")
    assert "Thank you." in page


def test_the_same_values_give_the_same_bytes(invoice: Make) -> None:
    assert render_invoice(invoice()) == render_invoice(invoice())
    assert render_invoice(invoice()) != render_invoice(invoice(customer="Mr. Rich"))


def test_the_file_names_its_subject_and_its_date(invoice: Make) -> None:
    about = pypdf.PdfReader(io.BytesIO(render_invoice(invoice(seller="Golden Gate")))).metadata
    assert about is not None
    assert about.title == "Invoice 2expen51ve"
    assert about.author == "Golden Gate"
    assert about.creation_date == datetime(2026, 11, 4, 12, tzinfo=UTC)


def test_hundreds_of_lines_make_many_pages_that_all_have_their_head(invoice: Make, pages: Pages) -> None:
    lines = tuple(PdfLine(f"Item {number}", 100) for number in range(400))
    texts = pages(render_invoice(invoice(lines=lines, total_minor=40_000)))
    assert len(texts) > 5
    for number, text in enumerate(texts, start=1):
        assert f"Page {number} of {len(texts)}" in text
        assert "DESCRIPTION" in text
    whole = " ".join(texts)
    assert all(f"Item {number} 1.00" in whole for number in range(400))
    assert whole.rindex("Total") > whole.rindex("Item 399")


def test_a_row_is_never_torn_from_the_total_by_a_page_without_rows(invoice: Make, pages: Pages) -> None:
    for count in range(14, 24):
        lines = tuple(PdfLine(f"Item {number}", 100) for number in range(count))
        texts = pages(render_invoice(invoice(lines=lines, total_minor=count * 100)))
        assert "Item" in texts[-1], f"with {count} lines the last page has the total alone"


@pytest.mark.parametrize("place", ["id", "customer", "title", "customer_email", "seller", "pay_url", "note"])
@pytest.mark.parametrize("word", ["W" * 250, "word " * 200, "a-b/" * 80, "Ω" * 300])
def test_long_texts_stay_on_the_paper(invoice: Make, place: str, word: str) -> None:
    pdf = render_invoice(invoice(**{place: word}))
    copied = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    lines = "\n".join(copied).replace("\u200b", "").splitlines()
    # 72 W of the smallest print more than fill a line; narrower letters make longer lines.
    assert max(len(line) for line in lines) <= {"W": 72, "w": 110, "a": 140, "Ω": 90}[word[0]]
    assert word.replace(" ", "") in "".join("".join(lines).split())


def test_a_line_may_need_more_than_a_page(invoice: Make, pages: Pages) -> None:
    text = "All that was said about it. " * 140
    lines = (PdfLine(text, 100, "1", 100), PdfLine(text, 200, "2", 100))
    texts = pages(render_invoice(invoice(lines=lines, total_minor=300)))
    # Footers stand between the words of a sentence that two pages share.
    said = " ".join(texts).count("said about")
    assert said >= 276
    assert "Total 3.00 USD" in texts[-1]
