"""Invoices to make documents of, and a reader of the documents made."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pypdf
import pytest

from invoices.pdf import InvoicePdf


@pytest.fixture
def invoice() -> Callable[..., InvoicePdf]:
    """The tutorial's invoice, with what a test changes about it."""

    def made(**changes: Any) -> InvoicePdf:
        values: dict[str, Any] = {
            "id": "2expen51ve",
            "customer": "Mr. Richie Rich",
            "total_minor": 999_900,
            "currency": "USD",
            "issued_at": datetime(2026, 11, 4, 12, tzinfo=UTC),
            "pay_url": "https://invoices.example.org/pay/token",
        }
        return InvoicePdf(**values | changes)

    return made


@pytest.fixture
def pages() -> Callable[[bytes], list[str]]:
    """The text of each page, as a reader's program copies it, on one line."""

    def read(pdf: bytes) -> list[str]:
        texts = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
        return [" ".join(text.replace("\u200b", "").split()) for text in texts]

    return read
