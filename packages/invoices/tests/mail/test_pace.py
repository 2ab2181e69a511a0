"""Threat t35: nobody's mailbox is filled through us; what is too much waits and is not lost."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from invoices.mail.channel import make_sender
from invoices.mail.message import Mail
from invoices.mail.pace import PacedSender
from invoices.mail.senders import FolderSender
from invoices.settings import Settings
from ringback import Outcome, State


@dataclass
class Kept:
    """A sender that keeps the recipients."""

    recipients: list[str | None] = field(default_factory=list)

    async def send(self, mail: Mail) -> Outcome:
        self.recipients.append(mail.recipient)
        return Outcome.delivered("sent")


def mail_to(recipient: str | None) -> Mail:
    return Mail("<1@example>", "invoice-1", "us@example.org", recipient, b"", "")


async def test_t35_one_recipient_gets_so_many_mails_an_hour_and_the_rest_later() -> None:
    kept, now = Kept(), 0.0
    paced = PacedSender(kept, 30, clock=lambda: now)
    outcomes = [await paced.send(mail_to("ada@example.com")) for _ in range(100)]
    assert [outcome.state for outcome in outcomes] == [State.DELIVERED] * 30 + [State.PENDING] * 70
    waits = outcomes[-1]
    assert waits.retry_after == pytest.approx(120)
    assert "30 mails in the last hour" in str(waits.note)
    assert (await paced.send(mail_to("grace@example.com"))).state is State.DELIVERED
    now = 3600.0
    later = [await paced.send(mail_to("ada@example.com")) for _ in range(100)]
    assert [outcome.state for outcome in later].count(State.DELIVERED) == 30
    assert kept.recipients.count("ada@example.com") == 60


async def test_t35_other_spellings_of_a_mailbox_are_the_same_mailbox() -> None:
    kept = Kept()
    paced = PacedSender(kept, 1, clock=lambda: 0.0)
    for recipient in ("Ada@example.com", "ada+1@EXAMPLE.com", "ada+2+3@example.com"):
        await paced.send(mail_to(recipient))
    assert kept.recipients == ["Ada@example.com"]


@pytest.mark.parametrize(("per_hour", "recipient"), [(0, "ada@example.com"), (1, None)])
async def test_without_a_limit_or_a_recipient_nothing_waits(per_hour: int, recipient: str | None) -> None:
    kept = Kept()
    paced = PacedSender(kept, per_hour)
    for _ in range(50):
        assert (await paced.send(mail_to(recipient))).state is State.DELIVERED


def test_t35_what_goes_to_a_mail_server_is_paced(tmp_path: Path) -> None:
    by_server = Settings.model_validate({"data_dir": tmp_path, "smtp_url": "smtp://127.0.0.1:25"})
    assert isinstance(make_sender(by_server), PacedSender)
    assert isinstance(make_sender(Settings(data_dir=tmp_path)), FolderSender)
