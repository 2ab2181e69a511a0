"""Mails as files: named after the invoice, whole or not there, the same file at every attempt."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from invoices.mail.message import Mail
from invoices.mail.senders import FolderSender
from ringback import State

Make = Callable[..., Mail]


async def test_a_mail_is_kept_with_its_html_beside_it(mail: Make, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mail"
    outcome = await FolderSender(folder).send(mail())
    assert outcome.state is State.DELIVERED
    written = sorted(folder.iterdir())
    assert [file.suffix for file in written] == [".eml", ".html"]
    assert all(file.name.startswith("2expen51ve-") for file in written)
    assert written[0].read_bytes() == mail().raw
    assert written[1].read_text("utf-8") == mail().html
    assert str(written[0]) in outcome.note


async def test_nobody_else_on_the_machine_may_read_mails(mail: Make, tmp_path: Path) -> None:
    await FolderSender(tmp_path / "mail").send(mail())
    assert (tmp_path / "mail").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "mail").iterdir())


async def test_a_second_attempt_writes_the_same_files(mail: Make, tmp_path: Path) -> None:
    sender = FolderSender(tmp_path)
    await sender.send(mail())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    await sender.send(mail())
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


async def test_two_invoices_of_one_number_are_two_files(mail: Make, tmp_path: Path) -> None:
    await FolderSender(tmp_path).send(mail(reference="invoice:1:sent:1"))
    await FolderSender(tmp_path).send(mail(reference="invoice:2:sent:1"))
    assert len(list(tmp_path.glob("2expen51ve-*.eml"))) == 2


@pytest.mark.parametrize(
    "number", ["../../evil", "/etc/cron.d/evil", "..", "a\x00b", "x" * 255, ".hidden", "-rf"]
)
async def test_no_number_leaves_the_folder(mail: Make, tmp_path: Path, number: str) -> None:
    folder = tmp_path / "mail"
    outcome = await FolderSender(folder).send(mail(id=number))
    assert outcome.state is State.DELIVERED
    assert list(tmp_path.iterdir()) == [folder]
    assert len(list(folder.glob("[A-Za-z0-9]*.eml"))) == 1


async def test_an_unaddressed_mail_is_kept_too(mail: Make, tmp_path: Path) -> None:
    outcome = await FolderSender(tmp_path).send(mail(to=None))
    assert outcome.state is State.DELIVERED
    (file,) = tmp_path.glob("*.eml")
    assert b"\r\nTo:" not in file.read_bytes()


async def test_a_folder_that_cannot_be_written_is_tried_again(mail: Make, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("in the way")
    outcome = await FolderSender(tmp_path / "mail").send(mail())
    assert outcome.state is State.PENDING
    assert "could not be written" in outcome.note


async def test_a_failed_write_leaves_nothing_behind(
    mail: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    outcome = await FolderSender(tmp_path).send(mail())
    assert outcome.state is State.PENDING
    assert "No space left on device" in outcome.note
    assert list(tmp_path.iterdir()) == []
