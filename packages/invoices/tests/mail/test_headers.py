"""No text of a stranger becomes a header, an address or a command of its own."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from invoices.mail.headers import (
    TOP_HEADERS,
    Head,
    Mailbox,
    UnsafeHeader,
    check_bytes,
    header_text,
    mail_address,
)
from invoices.mail.letter import Letter
from invoices.mail.message import Mail, make_mail, read_sender
from invoices.mail.smtp import SmtpSender, SmtpServer

Make = Callable[..., Mail]
Serve = Callable[..., Any]

HOSTILE = [
    "Rich\r\nBcc: spy@evil.example",
    "Rich\nBcc: spy@evil.example",
    "Rich\rBcc: spy@evil.example",
    "Rich\n\nA body of our own",
    "Rich\r\n.\r\nMAIL FROM:<spy@evil.example>",
    "Rich\r\n\tBcc: spy@evil.example",
    "Rich\x00",
    "Rich\x0b\x0cBcc: spy@evil.example",
    "Rich\x1c\x1d\x1eBcc: spy@evil.example",
    "Rich\x85Bcc: spy@evil.example",
    "Rich\u2028Bcc: spy@evil.example",
    "Rich\u2029Bcc: spy@evil.example",
    "Rich\x1b]0;owned\x07",
    "=?utf-8?q?a=0d=0aBcc:_spy@evil.example?=",
    "=?UTF-8?B?DQpCY2M6IHNweUBldmlsLmV4YW1wbGU=?=",
    "=?utf-8?q?a=0aBcc:_x@y?= and =?utf-8?q?b?=",
    "=?broken",
    'Rich" <spy@evil.example>, "',
    "Rich <spy@evil.example>",
    "<spy@evil.example>",
    "spy@evil.example,",
    "spy@evil.example; Rich",
    "Rich, spy@evil.example",
    "group: spy@evil.example;",
    "(comment) Rich (",
    "Rich \\",
    '\\" <spy@evil.example>',
    '"',
    "Rich @ Rich",
    "." * 60,
    ':;,<>()[]\\"@.',
    "Bcc: spy@evil.example",
    "To: spy@evil.example",
    "--=_55918d27db816cca32f062564fa8ef6e_0",
    "\u202egro.live@yps\u202c",
    "\ud83d half",
    "Ünïcödé " * 40,
    "東京" * 120,
    "a" * 2000,
    " ",
    "\u200b",
    "\ufeffRich",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["customer", "id", "seller", "title"])
async def test_the_mail_that_arrives_has_exactly_its_own_headers(
    mail: Make, mail_server: Serve, text: str, place: str
) -> None:
    async with mail_server() as server:
        sender = SmtpSender(SmtpServer.from_url(f"smtp://localhost:{server.port}"))
        await sender.send(mail(**{place: text}))
    (envelope,) = server.received
    assert envelope.rcpt_tos == ["richie@rich.example"]
    arrived = message_from_bytes(envelope.content)
    assert arrived.keys() == list(TOP_HEADERS)
    modern = message_from_bytes(envelope.content, policy=policy.default)
    assert [box.addr_spec for box in modern["To"].addresses] == ["richie@rich.example"]
    assert [box.addr_spec for box in modern["From"].addresses] == ["billing@invoices.example"]
    assert modern["Subject"].isprintable()
    assert not modern["Subject"].defects
    kinds = [part.get_content_type() for part in arrived.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/pdf",
    ]


@pytest.mark.parametrize("text", [text for text in HOSTILE if any(ord(c) < 32 for c in text) or "=?" in text])
def test_control_characters_and_encoded_words_are_refused_in_headers(text: str) -> None:
    with pytest.raises(UnsafeHeader):
        header_text(text)


@pytest.mark.parametrize(
    "address",
    [
        *HOSTILE[:17],
        "",
        "rich",
        "rich@rich.example, spy@evil.example",
        "rich@rich.example\r\nRCPT TO:<spy@evil.example>",
        "rich@rich.example> SIZE=1",
        "<rich@rich.example>",
        "Rich <rich@rich.example>",
        "rich@rich.example\x00",
        "rich@[127.0.0.1]",
        "rich@rich..example",
        "rich@-rich.example",
        "a" * 65 + "@rich.example",
        '"rich\\"@evil"@rich.example',
        "=?utf-8?q?a?=@rich.example",
        "rich@rich.example ",
    ],
)
def test_only_one_plain_mailbox_is_an_address(address: str, mail: Make) -> None:
    try:
        accepted = mail_address(address)
    except UnsafeHeader:
        with pytest.raises(UnsafeHeader):
            mail(to=address)
    else:
        assert accepted == address.strip()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(customer=st.text(max_size=120), number=st.text(max_size=120), seller=st.text(max_size=60))
@example("a\u0300" * 60, "0" * 255, "\U0001f600" * 60)
def test_any_text_makes_a_mail_to_the_customer_alone(
    letter: Callable[..., Letter], customer: str, number: str, seller: str
) -> None:
    sender = read_sender("Invoices <billing@invoices.example>")
    made = make_mail(letter(customer=customer, id=number, seller=seller), sender, b"%PDF")
    message = message_from_bytes(made.raw)
    assert message.keys() == list(TOP_HEADERS)
    assert [address for _name, address in getaddresses([message["To"]])] == ["richie@rich.example"]
    assert max(map(len, made.raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1


words = st.text(
    st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Zs"], exclude_characters="\u200b"), min_size=1
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(customer=words)
def test_an_ordinary_name_is_kept(letter: Callable[..., Letter], customer: str) -> None:
    made = make_mail(letter(customer=customer), read_sender("billing@invoices.example"), None)
    message = message_from_bytes(made.raw, policy=policy.default)
    assert message["Subject"] == "Invoice 2expen51ve: 9,999.00 USD"
    assert message["To"].addresses[0].addr_spec == "richie@rich.example"
    if header_text(customer).isascii():
        assert message["To"].addresses[0].display_name == header_text(customer)


@pytest.mark.parametrize(
    "name",
    [
        "Общество с ограниченной ответственностью «Ромашка и сыновья»",
        "東京株式会社" * 12,
        "Société d'Aménagement et de Développement, S.A.R.L.",
        'Hans "the man" Müller',
        "Müller, Hans",
        "A. " * 40 + "Long",
        "👩‍👩‍👧 Family",
    ],
)
def test_long_names_of_all_scripts_come_out_whole(mail: Make, name: str) -> None:
    raw = mail(customer=name, seller=name).raw
    message = message_from_bytes(raw)
    ((phrase, address),) = getaddresses([message["To"]])
    assert str(make_header(decode_header(phrase))) == header_text(name)
    assert address == "richie@rich.example"
    subject = str(make_header(decode_header(message["Subject"])))
    assert subject == f"Invoice 2expen51ve from {name}: 9,999.00 USD"
    assert max(map(len, raw.partition(b"\r\n\r\n")[0].splitlines())) <= 78  # RFC 5322, 2.1.1


@pytest.mark.parametrize(
    "spoilt",
    [
        (b"\r\nDate:", b"\r\nBcc: spy@evil.example\r\nDate:"),
        (b"\r\nDate:", b"\nBcc: spy@evil.example\r\nDate:"),
        (b"\r\nDate:", b"\rBcc: spy@evil.example\r\nDate:"),
        (b"<richie@rich.example>", b"<spy@evil.example>"),
        (b"Subject: Invoice", b"Subject: Payment of invoice"),
        (b"To:", b"Cc:"),
        (b"Auto-Submitted: auto-generated\r\n", b""),
        (b"Content-Type: text/html", b"X-More: 1\r\nContent-Type: text/html"),
        (b"Content-Type: text/html", b"Content-Type: text/x-other"),
        (b"\r\nDate:", b"\r\n\r\nDate:"),
    ],
)
def test_bytes_that_say_something_else_than_was_meant_never_leave(
    mail: Make, spoilt: tuple[bytes, bytes]
) -> None:
    raw = mail().raw
    meant = Head(
        sender=Mailbox("Invoices", "billing@invoices.example"),
        recipient=Mailbox("Mr. Richie Rich", "richie@rich.example"),
        subject="Invoice 2expen51ve: 9,999.00 USD",
        date="Fri, 06 Nov 2026 21:20:00 +0000",
        message_id=mail().message_id,
    )
    check_bytes(raw, meant)
    with pytest.raises(UnsafeHeader):
        check_bytes(raw.replace(*spoilt), meant)


@pytest.mark.parametrize(
    ("text", "name", "box"),
    [
        ("Invoices <billing@invoices.example>", "Invoices", "billing@invoices.example"),
        ('"Golden Gate, Inc." <billing@invoices.example>', "Golden Gate, Inc.", "billing@invoices.example"),
        ("invoices@localhost", "", "invoices@localhost"),
        ("Rechnungen Müller <a.b+c@x-y.example>", "Rechnungen Müller", "a.b+c@x-y.example"),
    ],
)
def test_senders(text: str, name: str, box: str) -> None:
    sender = read_sender(text)
    assert (sender.name, sender.address) == (name, box)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Invoices",
        "a@b <c@d.example> e",
        "a@b.example>",
        "<a@b.example",
        "I\r\nBcc: x@y <a@b.example>",
        "=?x?= <a@b.example>",
    ],
)
def test_unusable_senders_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="INVOICES_MAIL_FROM"):
        read_sender(text)
