"""Sends mails to an SMTP server, and tells what will never work from what may later (RFC 5321, 4.2.1)."""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from invoices.mail.message import Mail
from invoices.pdf.text import printable
from ringback import Outcome

_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")

# The server wants to know us, or to know us better: that is a matter of our settings, not of this mail.
_ABOUT_US: Final = {530, 534, 535, 538}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server, from INVOICES_SMTP_URL: `smtp`, `smtp+starttls` or `smtps`, then ://user:password@host:port."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Raises ValueError, without repeating the URL: it may hold a password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(
                "INVOICES_SMTP_URL is not a URL such as smtps://user:password@host:465"
            ) from None
        if parts.scheme not in _PORTS:
            raise ValueError("INVOICES_SMTP_URL must begin with smtp://, smtp+starttls:// or smtps://")
        if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(
                "INVOICES_SMTP_URL must be scheme://user:password@host:port and no more; "
                "write a '/', '?' or '#' of the password as %2F, %3F or %23"
            )
        if parts.scheme == "smtp" and parts.username and not _LOOPBACK.fullmatch(parts.hostname):
            raise ValueError(
                "INVOICES_SMTP_URL would send the password over the network in the clear; "
                "use smtp+starttls:// or smtps://"
            )
        return cls(
            parts.scheme,
            parts.hostname,
            port or _PORTS[parts.scheme],
            unquote(parts.username) if parts.username else None,
            unquote(parts.password or "") if parts.username else None,
        )


@dataclass(frozen=True, slots=True)
class SmtpSender:
    """Sends over one connection for each mail; the whole attempt ends within `deadline` seconds.

    With `smtp+starttls` and `smtps` the server's certificate must be valid for its name, and neither login
    nor mail is ever said before the connection is encrypted. `tls` replaces the system's trust.
    """

    server: SmtpServer
    deadline: float = 30.0
    tls: ssl.SSLContext | None = None

    async def send(self, mail: Mail) -> Outcome:
        """One attempt. What a server refuses with 5xx once it has heard of the mail is refused for good."""
        if mail.recipient is None:
            return Outcome.delivered(
                "nothing sent: the invoice has no e-mail address; its hosted page serves"
            )
        client = self._client(mail)
        try:
            async with asyncio.timeout(self.deadline):
                return await self._deliver(client, mail, mail.recipient)
        except TimeoutError:
            return Outcome.retry(f"{self._name} did not finish within {self.deadline:g} s")
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome.retry(f"{self._name}: {_told(error)}")
        finally:
            client.close()

    @property
    def _name(self) -> str:
        return f"{self.server.host}:{self.server.port}"

    def _client(self, mail: Mail) -> aiosmtplib.SMTP:
        server = self.server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            # Otherwise looked up, by a blocking call in the resolver.
            local_hostname=mail.sender.rpartition("@")[2],
            timeout=self.deadline,
            use_tls=server.scheme == "smtps",
            start_tls=server.scheme == "smtp+starttls",
            tls_context=self.tls,
        )

    async def _deliver(self, client: aiosmtplib.SMTP, mail: Mail, recipient: str) -> Outcome:
        await client.connect()
        options = [] if recipient.isascii() else ["SMTPUTF8"]
        try:
            _refused, answer = await client.sendmail(mail.sender, [recipient], mail.raw, mail_options=options)
        except aiosmtplib.SMTPNotSupported as error:
            return Outcome.dead(f"{self._name} cannot send to the address {recipient!r}: {_told(error)}")
        except aiosmtplib.SMTPRecipientsRefused as error:
            return self._judged(error.recipients[0])
        except aiosmtplib.SMTPResponseException as error:
            return self._judged(error)
        await _part(client)
        return Outcome.delivered(f"{self._name}: {printable(answer)[:200]}")

    def _judged(self, answer: aiosmtplib.SMTPResponseException) -> Outcome:
        said = f"{self._name} answered {answer.code} {printable(answer.message)[:200]}"
        final = 500 <= answer.code < 600 and answer.code not in _ABOUT_US
        return Outcome.dead(said) if final else Outcome.retry(said)


async def _part(client: aiosmtplib.SMTP) -> None:
    # The mail is accepted; how the server takes its leave cannot change that.
    try:
        await client.quit(timeout=5)
    except (aiosmtplib.SMTPException, OSError):
        return


def _told(error: Exception) -> str:
    return printable(str(error.args[-1] if error.args else error))[:200] or type(error).__name__
