"""Where a finished mail goes: a folder on this machine, or (in smtp.py) a mail server."""

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from invoices.mail.message import Mail
from ringback import Outcome


class Sender(Protocol):
    """Takes one mail, and says what became of it. Never raises for what a mail server or a disk may do."""

    async def send(self, mail: Mail) -> Outcome:
        """One attempt."""


@dataclass(frozen=True, slots=True)
class FolderSender:
    """Keeps mails as files instead of sending them: NAME.eml, and its HTML part beside it for a browser.

    The name begins with the invoice's number. A repeated attempt writes the same files again; each of them is
    there as a whole or not at all.
    """

    folder: Path

    async def send(self, mail: Mail) -> Outcome:
        """Writes the files. A full disk or a missing permission may be mended, so it is tried again."""
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError as error:
            return Outcome.retry(f"the mail could not be written to {self.folder}: {error.strerror or error}")
        return Outcome.delivered(f"written to {self.folder / mail.file_stem}.eml")

    def _write(self, mail: Mail) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(self.folder / f"{mail.file_stem}.html", mail.html.encode())
        _replace(self.folder / f"{mail.file_stem}.eml", mail.raw)


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
