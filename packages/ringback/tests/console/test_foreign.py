"""What text from outside can do on a page: be read, and nothing else."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.console._foreign import foreign, masked, masked_fields, masked_url, plain, url_parts


def test_markup_is_text() -> None:
    assert foreign("<script>alert('x')</script>&amp;") == (
        "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;"
    )


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        *(("\x00", "NUL"), ("\x1b", "ESC"), ("\r", "CR"), ("\x7f", "U+007F"), ("\x9b", "U+009B")),
        *(("\u202e", "U+202E"), ("\u2066", "U+2066"), ("\u200b", "U+200B"), ("\ufeff", "U+FEFF")),
        *(("\u2028", "U+2028"), ("\U000e0041", "U+E0041"), ("\ud800", "U+D800"), ("\ue000", "U+E000")),
    ],
)
def test_what_cannot_be_seen_is_written_out(character: str, shown: str) -> None:
    assert f">{shown}</span>" in foreign(f"a{character}b")
    assert character not in foreign(f"a{character}b")


def test_line_ends_are_obeyed_where_there_are_lines() -> None:
    assert foreign("a\n\tb", lines=True) == "a\n\tb"
    assert ">LF</span>" in foreign("a\nb")
    assert ">CR</span>" in foreign("a\r\nb", lines=True)


@pytest.mark.parametrize("text", ["Müller", "日本語", "שלום", "9\u202f999,00\u00a0€", "🤡 – “x”"])
def test_writing_of_any_kind_is_left_alone(text: str) -> None:
    assert foreign(text) == text


@settings(deadline=None)
@given(st.text())
def test_nothing_but_letters_comes_through(text: str) -> None:
    shown = foreign(text, lines=True)
    without_marks = re.sub(r'<span class="unseen" title="[^"<>]*">[A-Z0-9+]+</span>', "", shown)
    assert not set("<>\"'\x1b\r\u202e") & set(without_marks)
    if text.isprintable() and masked(text) == text:
        assert html.unescape(shown) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x", "https://a.example/x"),
        ("https://a.example/x?", "https://a.example/x?"),
        ("https://a.example/x?a=1&b=2&c=", "https://a.example/x?a=•••&b=•••&c=•••"),
        ("https://a.example/x?secret&a=b=c?d", "https://a.example/x?•••&a=•••"),
    ],
)
def test_values_of_a_query_are_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    assert masked(f'see "{url}", or') == f'see "{shown}", or'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_•••"),
        ("authorization: Bearer abc.def-123", "authorization: Bearer •••"),
        (r'{"u":"http:\/\/a.example\/p?k=v\/w"}', r'{"u":"http:\/\/a.example\/p?k=•••"}'),
        ("bearer of news", "bearer of news"),
    ],
)
def test_secrets_are_known_by_their_form(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_header_fields_that_let_somebody_in_are_masked() -> None:
    names = ["Authorization", "x-api-key", "Cookie", "X-Auth-Token", "x-hub-signature"]
    assert [value for _, value in masked_fields([[name, "v"] for name in names])] == ["•••"] * 5
    assert masked_fields([["content-type", "v"], ["x-keyboard", "v"]]) == [
        ("content-type", "v"),
        ("x-keyboard", "v"),
    ]


def test_a_url_falls_into_parts_that_are_safe_each() -> None:
    assert url_parts("https://a.example/x/y?t=1") == ("https://", "a.example", "/x/y?t=•••")
    assert url_parts("a@b.example") == ("", "a@b.example", "")
    assert "<b>" not in "".join(url_parts("<b>://<b>/<b>"))


def test_titles_take_no_marks() -> None:
    assert plain("a\u202eb\x1b<") == "a\ufffdb\ufffd<"


def test_a_hostile_length_takes_no_time() -> None:
    assert "http" in masked("http://" * 9000)
    assert "http" in masked("http:\\/\\/?" * 9000)
