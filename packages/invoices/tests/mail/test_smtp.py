"""One attempt at a mail server: what goes over the wire, and what each refusal means."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from email import message_from_bytes, policy
from typing import Any

import pytest

from invoices.mail.message import Mail
from invoices.mail.smtp import SmtpSender, SmtpServer
from ringback import Outcome, State

Make = Callable[..., Mail]
Serve = Callable[..., Any]


def sender(scheme: str, port: int, *, host: str = "localhost", user: str = "", **options: Any) -> SmtpSender:
    return SmtpSender(SmtpServer.from_url(f"{scheme}://{user}{host}:{port}"), **options)


async def test_a_mail_arrives_as_it_was_made(mail: Make, mail_server: Serve) -> None:
    async with mail_server() as server:
        outcome = await sender("smtp", server.port).send(mail())
    assert outcome == Outcome.delivered(f"localhost:{server.port}: 2.0.0 queued as 4711")
    (envelope,) = server.received
    assert envelope.mail_from == "billing@invoices.example"
    assert envelope.rcpt_tos == ["richie@rich.example"]
    assert envelope.content == mail().raw


async def test_a_line_that_begins_with_a_dot_arrives_whole(mail: Make, mail_server: Serve) -> None:
    words = " ".join([".dot"] * 60)
    async with mail_server() as server:
        await sender("smtp", server.port).send(mail(title=words, customer="." * 200))
    body = message_from_bytes(server.received[0].content, policy=policy.default).get_body(["plain"])
    assert body is not None
    assert body.get_content().count(".dot") == 60
    assert "." * 200 in body.get_content()


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_the_connection_is_encrypted_and_the_login_is_said(
    mail: Make, mail_server: Serve, trust: ssl.SSLContext, scheme: str
) -> None:
    async with mail_server(tls=scheme.removeprefix("smtp+"), login=True) as server:
        outcome = await sender(scheme, server.port, user="billing:p%2Fss%3Aw%C3%B6rd@", tls=trust).send(
            mail()
        )
    assert outcome.state is State.DELIVERED, outcome
    assert server.encrypted == [True]
    assert server.logins == [(b"billing", b"p/ss:w\xc3\xb6rd")]


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name"])
async def test_f76_a_certificate_that_proves_nothing_stops_the_mail(
    mail: Make, mail_server: Serve, trust: ssl.SSLContext, scheme: str, fault: str
) -> None:
    tls = scheme.removeprefix("smtp+")
    name = "elsewhere.example" if fault == "other name" else "localhost"
    async with mail_server(tls=tls, name=name) as server:
        trusted = None if fault == "unknown authority" else trust
        outcome = await sender(scheme, server.port, tls=trusted).send(mail())
    assert outcome.state is State.PENDING
    assert "certificate verify failed" in outcome.note
    assert server.received == []


async def test_starttls_never_falls_back_to_plain_text(
    mail: Make, mail_server: Serve, trust: ssl.SSLContext
) -> None:
    async with mail_server() as server:
        outcome = await sender("smtp+starttls", server.port, user="billing:secret@", tls=trust).send(mail())
    assert outcome.state is State.PENDING
    assert "STARTTLS" in outcome.note
    assert server.received == []
    assert server.logins == []


async def test_a_plain_server_gets_no_tls_client_hello_answered(
    mail: Make, mail_server: Serve, trust: ssl.SSLContext
) -> None:
    async with mail_server() as server:
        outcome = await sender("smtps", server.port, tls=trust, deadline=5).send(mail())
    assert outcome.state is State.PENDING
    assert server.received == []


async def test_a_wrong_password_is_tried_again_after_it_is_mended(
    mail: Make, mail_server: Serve, trust: ssl.SSLContext
) -> None:
    async with mail_server(tls="starttls", login=True) as server:
        outcome = await sender("smtp+starttls", server.port, user="billing:wrong@", tls=trust).send(mail())
    assert outcome.state is State.PENDING
    assert "Authentication credentials invalid" in outcome.note
    assert "wrong" not in outcome.note


REFUSALS: list[tuple[dict[str, str], State]] = [
    ({"on_recipient": "550 5.1.1 no such person"}, State.DEAD),
    ({"on_recipient": "553 5.1.3 not an address"}, State.DEAD),
    ({"on_recipient": "451 4.7.1 greylisted, come again"}, State.PENDING),
    ({"on_recipient": "450 4.2.1 mailbox busy"}, State.PENDING),
    ({"on_mail": "550 5.7.1 not from you"}, State.DEAD),
    ({"on_mail": "421 4.3.2 closing"}, State.PENDING),
    ({"on_mail": "530 5.7.0 log in first"}, State.PENDING),
    ({"on_mail": "452 4.3.1 no room"}, State.PENDING),
    ({"on_data": "554 5.7.1 looks like spam"}, State.DEAD),
    ({"on_data": "552 5.3.4 too large"}, State.DEAD),
    ({"on_data": "451 4.3.0 try again"}, State.PENDING),
]


@pytest.mark.parametrize(("behaviour", "state"), REFUSALS)
async def test_f76_refused_for_good_and_refused_for_now_are_told_apart(
    mail: Make, mail_server: Serve, behaviour: dict[str, str], state: State
) -> None:
    (answer,) = behaviour.values()
    async with mail_server(**behaviour) as server:
        outcome = await sender("smtp", server.port).send(mail())
    assert outcome == Outcome(state, f"localhost:{server.port} answered {answer}")


async def test_f76_a_connection_lost_after_the_data_is_tried_again_under_the_same_id(
    mail: Make, mail_server: Serve
) -> None:
    async with mail_server(drop_after_data=True) as server:
        assert (await sender("smtp", server.port).send(mail())).state is State.PENDING
        server.drop_after_data = False
        assert (await sender("smtp", server.port).send(mail())).state is State.DELIVERED
    first, second = (message_from_bytes(envelope.content) for envelope in server.received)
    assert first["Message-ID"] == second["Message-ID"] == mail().message_id
    assert server.received[0].content == server.received[1].content


async def test_how_a_server_takes_its_leave_changes_nothing(mail: Make, mail_server: Serve) -> None:
    async with mail_server(drop_at_quit=True) as server:
        outcome = await sender("smtp", server.port).send(mail())
    assert outcome.state is State.DELIVERED
    assert len(server.received) == 1


async def test_f76_a_server_that_hangs_is_left_at_the_deadline(mail: Make, mail_server: Serve) -> None:
    busy = asyncio.Event()
    async with mail_server(busy=busy) as server:
        outcome = await sender("smtp", server.port, deadline=0.2).send(mail())
        busy.set()
    assert outcome == Outcome.retry(f"localhost:{server.port} did not finish within 0.2 s")
    assert server.received == []


async def test_f76_a_server_that_is_not_there_is_tried_again(mail: Make, mail_server: Serve) -> None:
    async with mail_server() as server:
        port = server.port
    outcome = await sender("smtp", port).send(mail())
    assert outcome.state is State.PENDING
    assert f"Error connecting to localhost on port {port}" in outcome.note


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def attempt_at(talk: Talk, mail: Mail, scheme: str = "smtp", **options: Any) -> Outcome:
    """One attempt at a server that says what `talk` says."""
    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        outcome = await sender(scheme, port, host="127.0.0.1", **options).send(mail)
        await asyncio.gather(*served)
    return outcome


@pytest.mark.parametrize(
    "greeting", [b"554 go away\r\n", b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\x00\r\n"]
)
async def test_whatever_greets_otherwise_is_tried_again(mail: Make, greeting: bytes) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    assert (await attempt_at(talk, mail())).state is State.PENDING


async def test_an_endless_answer_ends_at_the_deadline(mail: Make) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while True:
            writer.write(b"250-more\r\n" * 1000)
            await writer.drain()

    outcome = await attempt_at(talk, mail(), deadline=0.3)
    assert outcome.state is State.PENDING


async def test_what_a_server_says_cannot_forge_the_console(mail: Make, mail_server: Serve) -> None:
    async with mail_server(on_recipient="550 \x1b]0;owned\x07 <script>" + "x" * 400) as server:
        outcome = await sender("smtp", server.port).send(mail())
    assert outcome.note.isprintable()
    assert len(outcome.note) < 300


async def test_an_invoice_without_an_address_needs_no_server(mail: Make) -> None:
    outcome = await sender("smtp", 1).send(mail(to=None))
    assert outcome.state is State.DELIVERED
    assert "no e-mail address" in outcome.note


async def test_an_international_address_goes_to_a_server_that_can(mail: Make, mail_server: Serve) -> None:
    async with mail_server(utf8=True) as server:
        outcome = await sender("smtp", server.port).send(mail(to="rené@bücher.example"))
    assert outcome.state is State.DELIVERED
    assert server.received[0].rcpt_tos == ["rené@xn--bcher-kva.example"]
    async with mail_server(utf8=False) as server:
        outcome = await sender("smtp", server.port).send(mail(to="rené@bücher.example"))
    assert outcome.state is State.DEAD
    assert "SMTPUTF8" in outcome.note
    assert server.received == []


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("smtp://mail.example", ("smtp", "mail.example", 25, None, None)),
        ("smtp://127.0.0.1:1025", ("smtp", "127.0.0.1", 1025, None, None)),
        ("smtp+starttls://u:p%40ss@mail.example", ("smtp+starttls", "mail.example", 587, "u", "p@ss")),
        ("smtps://u@mail.example:4650/", ("smtps", "mail.example", 4650, "u", "")),
        ("smtps://a%40b.example:x%3Ay@[::1]", ("smtps", "::1", 465, "a@b.example", "x:y")),
        ("smtp://u:p@localhost", ("smtp", "localhost", 25, "u", "p")),
    ],
)
def test_urls_of_mail_servers(url: str, read: tuple[str, str, int, str | None, str | None]) -> None:
    server = SmtpServer.from_url(url)
    assert (server.scheme, server.host, server.port, server.username, server.password) == read
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mail.example", "must begin with"),
        ("http://mail.example", "must begin with"),
        ("smtps://", "must be scheme"),
        ("smtps://u:se/cret@mail.example", "INVOICES_SMTP_URL"),
        ("smtps://u:se#cret@mail.example", "INVOICES_SMTP_URL"),
        ("smtps://u:se?cret@mail.example", "INVOICES_SMTP_URL"),
        ("smtps://mail.example:port", "is not a URL"),
        ("smtps://mail.example:99999", "is not a URL"),
        ("smtp://u:cret@mail.example", "in the clear"),
        ("smtps://mail.example/path", "must be scheme"),
        ("smtps://mail.example?x=1", "must be scheme"),
    ],
)
def test_unusable_urls_are_refused_without_repeating_the_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        SmtpServer.from_url(url)
    assert "cret" not in str(refused.value)
