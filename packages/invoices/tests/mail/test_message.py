"""What a customer reads: the words in both parts, the attachment, the link, and nothing from elsewhere."""

import json
import re
from collections.abc import Callable
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from pydantic import ValidationError
from testkit.letters import queued_letter

from invoices.mail.letter import Letter, LetterKind, UnreadableLetter, make_letter, read_letter
from invoices.mail.message import Mail

Make = Callable[..., Mail]


def opened(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.raw, policy=policy.default)


def text_of(mail: Mail) -> str:
    body = opened(mail).get_body(["plain"])
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


class Page(HTMLParser):
    """The tags, targets and visible words of an HTML mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: set[str] = set()
        self.handlers: set[str] = set()
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "background", "action") and value:
                self.targets.add(value)
            if name.startswith("on"):
                self.handlers.add(name)

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_both_parts_say_the_same(mail: Make) -> None:
    made = mail(title="Consulting, November", seller="Golden Gate")
    for text in (" ".join(text_of(made).split()), Page(made.html).text):
        for words in (
            *("2expen51ve", "Mr. Richie Rich", "9,999.00 USD", "4 November 2026", "Golden Gate"),
            *("Consulting, November", "https://invoices.example.org/pay/token", "attached as a PDF"),
        ):
            assert words in text


def test_the_text_part_reads_well_in_a_terminal(mail: Make) -> None:
    text = text_of(mail(title="word " * 60, customer="Zoë Ångström " * 12))
    lines = text.splitlines()
    assert max(len(line) for line in lines if "://" not in line) <= 72
    assert "https://invoices.example.org/pay/token" in lines
    assert "\n\n\n" not in text
    assert text.startswith("Hello Zoë")


def test_a_long_link_is_never_cut(mail: Make) -> None:
    url = "https://invoices.example.org/" + "a-b_c/" * 60
    made = mail(pay_url=url)
    assert url in text_of(made).splitlines()
    assert Page(made.html).targets == {url}


def test_the_pdf_is_attached_under_a_plain_name(mail: Make) -> None:
    (attachment,) = opened(mail(pdf=b"%PDF-1.7 \x00\xff", id="INV 7/é")).iter_attachments()
    assert attachment.get_content() == b"%PDF-1.7 \x00\xff"
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_filename() == "invoice-INV-7.pdf"


def test_without_a_pdf_the_mail_says_where_it_is(mail: Make) -> None:
    made = mail(pdf=None)
    assert opened(made).get_content_type() == "multipart/alternative"
    for text in (text_of(made), Page(made.html).text):
        assert "attached" not in text
        assert "PDF" in text


def test_every_attempt_makes_the_same_bytes(mail: Make) -> None:
    assert mail() == mail()


def test_the_message_id_belongs_to_invoice_and_revision(mail: Make) -> None:
    first, same, again, other = (
        mail(reference=reference, title=title).message_id
        for reference, title in (("1:1", "a"), ("1:1", "b"), ("1:2", "a"), ("2:1", "a"))
    )
    assert first == same
    assert len({first, again, other}) == 3
    assert re.fullmatch(r"<[0-9a-f]{32}@invoices\.example>", first)


def test_a_mail_is_dated_by_its_queueing_and_wants_no_automatic_answer(mail: Make) -> None:
    message = opened(mail())
    assert message["Date"] == "Fri, 06 Nov 2026 21:20:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"


def test_without_an_address_the_mail_is_complete_and_unaddressed(mail: Make) -> None:
    made = mail(to=None)
    assert made.recipient is None
    assert "To" not in opened(made)
    assert "9,999.00 USD" in text_of(made)


MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "<!--[if mso]><a href=http://evil.example>",
    "</td></tr></table><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% include 'invoice.txt' %}",
    "' onmouseover='alert(1)",
    "&lt;b&gt; &amp; &#60;i&#62;",
    "]]><![CDATA[",
]


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_in_an_invoice_is_text_in_its_mail(mail: Make, markup: str) -> None:
    plain, hostile = (
        Page(mail(title="x", seller="x").html),
        mail(title=markup, seller=markup, customer=markup, id=markup),
    )
    page = Page(hostile.html)
    assert page.tags == plain.tags
    assert page.targets == plain.targets
    assert page.handlers == set()
    assert page.text.count(" ".join(markup.split())) >= 4
    assert " ".join(markup.split()) in " ".join(text_of(hostile).split())


def test_nothing_is_loaded_from_anywhere(mail: Make) -> None:
    page = Page(mail().html)
    assert page.targets == {"https://invoices.example.org/pay/token"}
    assert page.tags.isdisjoint({"img", "link", "script", "iframe", "video", "form", "svg"})
    assert "url(" not in mail().html
    assert "@import" not in mail().html


def test_no_words_of_a_customer_change_the_shape_of_the_text_part(mail: Make) -> None:
    text = text_of(
        mail(customer="Rich,\n\n    Amount due:  1.00 USD\n\nhttp://evil.example", title="a\r\n\r\nb")
    )
    assert text.count("\n    Amount due:  ") == 1
    assert "    Amount due:  9,999.00 USD\n" in text
    assert "http://evil.example" not in text.splitlines()


def test_a_letter_survives_the_queue(letter: Callable[..., Letter]) -> None:
    for made in (letter(), letter(to=None, title="東京 \u00e9", total_minor=2**53 + 1)):
        queued = queued_letter(made)
        again = read_letter(json.dumps(queued.payload()).encode())
        assert again == queued
        assert again.with_link(made.pay_url).document.title == made.document.title


def test_the_link_is_not_in_the_queue(letter: Callable[..., Letter]) -> None:
    assert "/pay/" not in json.dumps(queued_letter(letter()).payload())


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"document": {}}', b"\xff\xfe", b'{"pay_url": "javascript:alert(1)"}'],
)
def test_what_is_no_letter_is_not_read(body: bytes) -> None:
    with pytest.raises(UnreadableLetter, match="cannot be read"):
        read_letter(body)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "",
        "/pay/1",
        "https://x.example/a b",
        'https://x.example/"',
        "https://x.example/\n",
    ],
)
def test_only_a_plain_web_address_is_linked(letter: Callable[..., Letter], url: str) -> None:
    with pytest.raises(ValidationError, match="plain http or https URL"):
        make_letter(document=letter().document, pay_url=url, reference="1", queued_at=0)


def test_a_mail_in_chinese_is_chinese_throughout(mail: Make) -> None:
    made = mail(
        language="zh-CN", title="秋季保养", seller="金门游艇公司", customer="李小明", due_on=date(2026, 12, 8)
    )
    assert opened(made)["Subject"] == "金门游艇公司账单 2expen51ve：9,999.00 USD"
    text, page = text_of(made), Page(made.html)
    assert text.startswith("李小明，您好：\n")
    assert (
        "请查收金门游艇公司于2026年11月4日开具的账单 2expen51ve（秋季保养），请于2026年12月8日前支付。"
        in text
    )
    assert "    应付金额：  9,999.00 USD\n" in text
    assert '<html lang="zh-CN">' in made.html
    for words in ("查看并支付", "账单编号", "2026年12月8日", "账单的 PDF 文件见附件。"):
        assert words in page.text
    for word in re.findall(r"[A-Za-z]{2,}", text.replace("https://invoices.example.org/pay/token", "")):
        assert word in ("PDF", "USD", "expen", "ve")


@pytest.mark.parametrize(
    ("kind", "language", "subject"),
    [
        (LetterKind.REMINDER, "en", "Reminder: Invoice 2expen51ve: 9,999.00 USD"),
        (LetterKind.OVERDUE, "en", "Overdue: Invoice 2expen51ve: 9,999.00 USD"),
        (LetterKind.REMINDER, "zh-CN", "付款提醒：账单 2expen51ve，9,999.00 USD"),
        (LetterKind.OVERDUE, "zh-CN", "已逾期：账单 2expen51ve，9,999.00 USD"),
    ],
)
def test_a_reminder_says_so_in_its_language(
    mail: Make, kind: LetterKind, language: str, subject: str
) -> None:
    made = mail(kind=kind, language=language, due_on=date(2026, 12, 8))
    assert opened(made)["Subject"] == subject


def test_a_name_that_runs_to_the_left_turns_nothing_beside_it(mail: Make) -> None:
    made = mail(customer="ספינות", seller="محمد", title="plain")
    assert "Hello \u2068ספינות\u2069,\n" in text_of(made)
    assert "from \u2068محمد\u2069: plain" in " ".join(text_of(made).split())
    assert "<bdi>ספינות</bdi>" in made.html
    assert "\u2068" not in str(opened(made)["Subject"])
