"""Letters to send, and real mail servers on this machine to send them to."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from invoices.mail.letter import Letter, make_letter
from invoices.mail.message import Mail, make_mail, read_sender
from invoices.pdf import InvoicePdf


@pytest.fixture
def letter() -> Callable[..., Letter]:
    """The tutorial's invoice as a letter, with what a test changes about either."""

    def made(**changes: Any) -> Letter:
        own = {name: changes.pop(name) for name in ("to", "reference", "pay_url", "kind") if name in changes}
        invoice: dict[str, Any] = {
            "id": "2expen51ve",
            "customer": "Mr. Richie Rich",
            "total_minor": 999_900,
            "currency": "USD",
            "issued_at": datetime(2026, 11, 4, 12, tzinfo=UTC),
        }
        values: dict[str, Any] = {
            "document": InvoicePdf(**invoice | changes),
            "pay_url": "https://invoices.example.org/pay/token",
            "reference": "invoice:1:sent:1",
            "queued_at": 1_794_000_000,
            "to": "richie@rich.example",
        }
        return make_letter(**values | own)

    return made


@pytest.fixture
def mail(letter: Callable[..., Letter]) -> Callable[..., Mail]:
    """A finished mail."""

    def made(pdf: bytes | None = b"%PDF-1.7 of the invoice", **changes: Any) -> Mail:
        return make_mail(letter(**changes), read_sender("Invoices <billing@invoices.example>"), pdf)

    return made


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the certificates of the mail servers here."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """A client's trust in that authority, and in no other."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@dataclass
class MailServer:
    """A real SMTP server, what it has received, and how it is to behave."""

    port: int = 0
    received: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    on_mail: str | None = None
    on_recipient: str | None = None
    on_data: str | None = None
    drop_after_data: bool = False
    drop_at_quit: bool = False
    busy: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """What INVOICES_SMTP_URL says to reach it."""
        return f"smtp://localhost:{self.port}"

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.busy is not None:
            await self.busy.wait()
        if self.on_mail:
            return self.on_mail
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.on_recipient:
            return self.on_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.received.append(envelope)
        assert isinstance(server.transport, asyncio.WriteTransport)
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        if self.drop_after_data:
            server.transport.abort()
        return self.on_data or "250 2.0.0 queued as 4711"

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:
        if self.drop_at_quit:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "221 bye"

    def login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data == LoginPassword(b"billing", b"p/ss:w\xc3\xb6rd"), handled=False)


Serve = Callable[..., Any]


@pytest.fixture(scope="session")
def mail_server(authority: trustme.CA) -> Serve:
    """`async with mail_server(tls="starttls" | "smtps" | None, login=…, name=…) as server`."""

    @asynccontextmanager
    async def serve(
        *,
        tls: str | None = None,
        login: bool = False,
        name: str = "localhost",
        utf8: bool = False,
        **behaviour: Any,
    ) -> AsyncIterator[MailServer]:
        server = MailServer(**behaviour)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        options: dict[str, Any] = {
            "hostname": "mail.test",
            "enable_SMTPUTF8": utf8,
            "loop": asyncio.get_running_loop(),
        }
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        if login:
            options |= {
                "authenticator": server.login,
                "auth_required": True,
                "auth_require_tls": tls == "starttls",
            }

        def connected() -> SMTP:
            with warnings.catch_warnings():
                # It does not see the TLS that it is wrapped in, and warns of a login in the clear.
                warnings.simplefilter("ignore", UserWarning)
                return SMTP(server, **options)

        listening = await asyncio.get_running_loop().create_server(
            connected, "127.0.0.1", 0, ssl=context if tls == "smtps" else None
        )
        server.port = listening.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            listening.close()
            await listening.wait_closed()

    return serve
