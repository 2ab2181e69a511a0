"""The links of hosted pages: whoever has one may see the invoice and pay it. Only a digest is stored."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.models import Invoice
from invoices.settings import Settings

__all__ = ["digest", "link_to", "pay_url", "token_of"]


def token_of(key: bytes, account_id: str, invoice_id: str, created_at: datetime, version: int = 1) -> str:
    """The token of an invoice's page under one server key: nobody can guess it without the key."""
    subject = json.dumps(["pay", account_id, invoice_id, created_at.astimezone(UTC).isoformat(), version])
    mac = hmac.digest(key, subject.encode(), "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def pay_url(settings: Settings, invoice: Invoice) -> str:
    """The link to the invoice's hosted page."""
    return f"{settings.site}/pay/{_token(settings, invoice)}"


async def link_to(session: AsyncSession, settings: Settings, pk: int) -> str | None:
    """The same by the invoice's row, for mails that were queued earlier; None where it is gone."""
    invoice = await session.get(Invoice, pk)
    return None if invoice is None else pay_url(settings, invoice)


def _token(settings: Settings, invoice: Invoice) -> str:
    """By the key that made it, or by the present one where that key is gone."""
    tokens = [
        token_of(key, invoice.account_id, invoice.id, invoice.created_at, invoice.page_token_version)
        for key in settings.server_keys
    ]
    return next((token for token in tokens if digest(token) == invoice.page_token_hash), tokens[0])
