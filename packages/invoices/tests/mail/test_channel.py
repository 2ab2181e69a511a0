"""One attempt as Ringback makes it: payload in, outcome out."""

import json
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from testkit.letters import link_to, queued_letter

from invoices.mail.channel import PATIENCE, MailChannel, make_sender
from invoices.mail.letter import Letter
from invoices.mail.message import Mail
from invoices.mail.pace import PacedSender
from invoices.mail.senders import FolderSender
from invoices.mail.smtp import SmtpSender
from invoices.pdf import PdfLine, Renderer
from invoices.pdf.document import MOST_LINES
from invoices.settings import Settings
from ringback import Delivery, Outcome, State

Letters = Callable[..., Letter]
Serve = Callable[..., Any]


def delivery(letter: Letter, attempt: int = 1) -> Delivery:
    body = json.dumps(queued_letter(letter).payload()).encode()
    return Delivery("msg_1", "mail", "default", letter.to or "unaddressed", body, attempt)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    def made(**values: Any) -> Settings:
        return Settings(data_dir=tmp_path, mail_from="Invoices <billing@invoices.example>", **values)

    return made


def attachments(raw: bytes) -> list[bytes]:
    message = message_from_bytes(raw, policy=policy.default)
    return [part.get_content() for part in message.iter_attachments()]


async def test_an_attempt_renders_the_pdf_and_keeps_the_mail_in_the_data_folder(
    letter: Letters, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    outcome = await MailChannel(settings(), link_to)(delivery(letter()))
    assert outcome.state is State.DELIVERED
    (file,) = (tmp_path / "mail").glob("2expen51ve-*.eml")
    (pdf,) = attachments(file.read_bytes())
    assert pdf.startswith(b"%PDF-")


async def test_an_attempt_sends_to_the_server_of_the_settings(
    letter: Letters, settings: Callable[..., Settings], mail_server: Serve
) -> None:
    async with mail_server() as server:
        channel = MailChannel(settings(smtp_url=f"smtp://localhost:{server.port}"), link_to)
        outcome = await channel(delivery(letter()))
    assert outcome.state is State.DELIVERED
    assert server.received[0].rcpt_tos == ["richie@rich.example"]
    assert attachments(server.received[0].content)[0].startswith(b"%PDF-")


async def test_two_attempts_send_the_same_bytes(
    letter: Letters, settings: Callable[..., Settings], mail_server: Serve
) -> None:
    async with mail_server(on_data="451 4.3.0 try again") as server:
        channel = MailChannel(settings(smtp_url=f"smtp://localhost:{server.port}"), link_to)
        assert (await channel(delivery(letter(), 1))).state is State.PENDING
        server.on_data = None
        assert (await channel(delivery(letter(), 2))).state is State.DELIVERED
    assert server.received[0].content == server.received[1].content


async def test_an_invoice_that_fits_no_pdf_is_mailed_with_the_link_alone(
    letter: Letters, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    lines = (PdfLine("x", 1),) * (MOST_LINES + 1)
    outcome = await MailChannel(settings(), link_to)(
        delivery(letter(lines=lines, total_minor=MOST_LINES + 1))
    )
    assert outcome.state is State.DELIVERED
    (file,) = (tmp_path / "mail").glob("*.eml")
    assert attachments(file.read_bytes()) == []
    assert b"https://invoices.example.org/pay/token" in file.read_bytes()


async def test_a_pdf_that_hangs_delays_the_mail_but_not_for_ever(
    letter: Letters, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    channel = MailChannel(settings(), link_to, renderer=Renderer(deadline=0.001))
    for attempt in range(1, PATIENCE):
        outcome = await channel(delivery(letter(), attempt))
        assert outcome.state is State.PENDING
        assert "took more than" in outcome.note
    assert not (tmp_path / "mail").exists()
    assert (await channel(delivery(letter(), PATIENCE))).state is State.DELIVERED
    (file,) = (tmp_path / "mail").glob("*.eml")
    assert attachments(file.read_bytes()) == []


async def test_a_payload_that_is_no_letter_is_dead_at_once(settings: Callable[..., Settings]) -> None:
    outcome = await MailChannel(settings(), link_to)(
        Delivery("msg_1", "mail", "default", "x", b'{"old": 1}', 1)
    )
    assert outcome.state is State.DEAD
    assert "cannot be read" in outcome.note


@pytest.mark.parametrize(
    "to", ["rich", "rich@rich.example\r\nBcc: spy@evil.example", "=?utf-8?q?a?=@b.example"]
)
async def test_an_address_that_is_none_is_dead_at_once(
    letter: Letters, settings: Callable[..., Settings], to: str
) -> None:
    outcome = await MailChannel(settings(), link_to)(delivery(letter(to=to)))
    assert outcome.state is State.DEAD
    assert outcome.note.isprintable()


async def test_a_sender_of_ones_own_can_be_given(letter: Letters, settings: Callable[..., Settings]) -> None:
    kept: list[Mail] = []

    class Keeper:
        async def send(self, mail: Mail) -> Outcome:
            kept.append(mail)
            return Outcome.delivered("kept")

    assert await MailChannel(settings(), link_to, sender=Keeper())(delivery(letter())) == Outcome.delivered(
        "kept"
    )
    assert kept[0].recipient == "richie@rich.example"


def test_settings_choose_the_sender(settings: Callable[..., Settings], tmp_path: Path) -> None:
    assert make_sender(settings()) == FolderSender(tmp_path / "mail")
    by_server = make_sender(settings(smtp_url="smtps://u:p@mail.example"))
    assert isinstance(by_server, PacedSender)
    assert isinstance(by_server.sender, SmtpSender)


@pytest.mark.parametrize("values", [{"smtp_url": "mail.example"}, {"smtp_url": "smtp://u:p@mail.example"}])
def test_settings_that_cannot_work_are_refused_at_start(
    settings: Callable[..., Settings], values: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="INVOICES_SMTP_URL"):
        MailChannel(settings(**values), link_to)
