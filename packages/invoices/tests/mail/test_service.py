"""A mail is owed with the transaction that asks for it, and Ringback's worker sends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from testkit.letters import link_to

from invoices.database import connect, make_sessions
from invoices.invoices.lifecycle import Status
from invoices.invoices.models import Invoice
from invoices.mail.channel import TIMEOUT, MailChannel
from invoices.mail.service import UNADDRESSED, kind_of_mail, mail_key, queue_invoice_mail
from invoices.settings import Settings
from ringback import Ringback

Serve = Callable[..., Any]


@dataclass
class Service:
    """What the app wires together, as far as mail needs it."""

    ringback: Ringback
    folder: Path
    sessions: Callable[[], AsyncSession]

    async def queue(self, invoice: Invoice, *, commit: bool = True, **options: Any) -> None:
        async with self.sessions() as session:
            await queue_invoice_mail(session, self.ringback, invoice, **options)
            await (session.commit() if commit else session.rollback())

    @property
    def mails(self) -> list[Path]:
        return sorted(self.folder.glob("*.eml"))


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(data_dir=tmp_path)
    engine = connect(settings.database)
    ringback = Ringback(database=engine)
    ringback.channel("mail", MailChannel(settings, link_to), timeout=TIMEOUT)
    async with ringback.running():
        yield Service(ringback, tmp_path / "mail", make_sessions(engine))
    await engine.dispose()


def invoice(**changes: Any) -> Invoice:
    values: dict[str, Any] = {
        "pk": 1,
        "account_id": "default",
        "id": "2expen51ve",
        "title": None,
        "customer": "Mr. Richie Rich",
        "customer_email": "richie@rich.example",
        "total_minor": 999_900,
        "currency": "USD",
        "status": Status.OPEN,
        "created_at": datetime(2026, 11, 4, tzinfo=UTC),
    }
    return Invoice(**values | changes)


async def test_a_committed_mail_is_sent(service: Service) -> None:
    await service.queue(invoice())
    await service.ringback.drain()
    (file,) = service.mails
    message = message_from_bytes(file.read_bytes())
    assert message["To"] == '"Mr. Richie Rich" <richie@rich.example>'
    assert [part.get_content_type() for part in message.walk()][-1] == "application/pdf"


async def test_a_mail_of_a_transaction_that_is_rolled_back_is_never_sent(service: Service) -> None:
    await service.queue(invoice(), commit=False)
    await service.ringback.drain()
    assert service.mails == []


async def test_queueing_again_sends_once_and_a_new_revision_sends_anew(service: Service) -> None:
    await service.queue(invoice())
    await service.queue(invoice())
    await service.ringback.drain()
    assert len(service.mails) == 1
    await service.queue(invoice(), revision=2)
    await service.ringback.drain()
    ids = {message_from_bytes(file.read_bytes())["Message-ID"] for file in service.mails}
    assert len(ids) == 2


async def test_a_mail_without_an_address_is_kept_unaddressed(service: Service) -> None:
    await service.queue(invoice(customer_email=None))
    await service.ringback.drain()
    (file,) = service.mails
    assert "To" not in message_from_bytes(file.read_bytes())
    async with service.sessions() as session:
        (report,) = await service.ringback.deliveries(session, owner="default")
    assert report.key == mail_key(invoice())
    assert report.url == UNADDRESSED
    assert report.state == "delivered"


async def test_the_words_are_those_of_the_moment_of_queueing(service: Service) -> None:
    changing = invoice(title="before")
    await service.queue(changing)
    changing.title = "after"
    await service.ringback.drain()
    assert b"before" in service.mails[0].read_bytes()
    assert b"after" not in service.mails[0].read_bytes()


async def test_the_longest_invoice_number_can_be_mailed(service: Service) -> None:
    await service.queue(invoice(id="9" * 255))
    await service.ringback.drain()
    assert len(service.mails) == 1


async def test_accounts_with_the_same_invoice_number_get_their_own_mails(service: Service) -> None:
    await asyncio.gather(
        service.queue(invoice(pk=1, account_id="one")), service.queue(invoice(pk=2, account_id="two"))
    )
    await service.ringback.drain()
    assert len(service.mails) == 2


async def test_a_refused_recipient_is_shown_with_the_servers_words(
    tmp_path: Path, mail_server: Serve
) -> None:
    async with mail_server(on_recipient="550 5.1.1 no such person") as server:
        settings = Settings(data_dir=tmp_path, smtp_url=SecretStr(f"smtp://localhost:{server.port}"))
        engine = connect(settings.database)
        ringback = Ringback(database=engine)
        ringback.channel("mail", MailChannel(settings, link_to), timeout=TIMEOUT)
        bounced = Service(ringback, tmp_path, make_sessions(engine))
        async with ringback.running():
            await bounced.queue(invoice())
            await ringback.drain()
            async with bounced.sessions() as session:
                (report,) = await ringback.deliveries(session, owner="default")
        await engine.dispose()
    assert report.state == "dead"
    assert "550 5.1.1 no such person" in str(report.verdict)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("invoice:7:sent:1", "Invoice by mail"),
        ("invoice:7:sent:3", "Invoice by mail, sent again (3)"),
        ("invoice:7:reminder:-1", "Reminder 1 day before the due date"),
        ("invoice:7:reminder:0", "Reminder on the due date"),
        ("invoice:7:reminder:14", "Reminder 14 days after the due date"),
        ("written by an earlier version", "Mail"),
        (None, "Mail"),
    ],
)
def test_operators_read_what_a_mail_is(key: str | None, words: str) -> None:
    assert kind_of_mail(key) == words
