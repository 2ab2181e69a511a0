"""The request's head: whatever the caller hands over, one request can be read from the bytes, or none."""

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ringback._message import Failure, FailureReason, Request, encode_head
from ringback._urls import Url, parse_url

URL = parse_url("https://www.example.com/events?tenant=7")


def head(*headers: tuple[str, str], method: str = "POST", url: Url = URL, body: bytes = b"{}") -> bytes:
    return encode_head(Request(method, url, headers, body))


def test_the_head_is_the_url_s_parts_and_the_fields_as_given() -> None:
    assert head(("Webhook-Id", "msg_1"), ("x", "caf\xe9")) == (
        b"POST /events?tenant=7 HTTP/1.1\r\nHost: www.example.com\r\nAccept-Encoding: identity\r\n"
        b"Content-Length: 2\r\nWebhook-Id: msg_1\r\nx: caf\xe9\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com:8080/", b"example.com:8080"),
        ("https://example.com:443/", b"example.com"),
        ("http://[2001:DB8::1]:81/", b"[2001:db8::1]:81"),
    ],
)
def test_the_host_field_is_the_authority(url: str, host: bytes) -> None:
    assert b"\r\nHost: " + host + b"\r\n" in head(url=parse_url(url))


@pytest.mark.parametrize(
    ("method", "body", "told"), [("POST", b"", True), ("GET", b"", False), ("DELETE", b"x", True)]
)
def test_a_length_is_told_where_a_body_is_expected(method: str, body: bytes, told: bool) -> None:
    assert (f"Content-Length: {len(body)}".encode() in head(method=method, body=body)) is told


@pytest.mark.parametrize(
    "field",
    [
        ("x", "a\r\nb: c"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\x00b"),
        ("x", "a\x1bb"),
        ("x", "a\x7f"),
        ("x", "price \u20ac"),
        ("x", "a\u2028b"),
        ("x y", "1"),
        ("x:", "1"),
        ("x\r\ny", "1"),
        ("", "1"),
        ("\xe9", "1"),
        ("Host", "evil"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Accept-Encoding", "gzip"),
        ("Expect", "100-continue"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic x"),
    ],
)
def test_a_field_that_could_change_the_framing_is_refused(field: tuple[str, str]) -> None:
    with pytest.raises(Failure) as caught:
        head(field)
    assert caught.value.reason == FailureReason.INVALID_REQUEST
    assert not caught.value.sent


@pytest.mark.parametrize("method", ["", "PO ST", "GET /x", "P\r\nX", "CONNECT", "GÉT"])
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    with pytest.raises(Failure):
        head(method=method)


@pytest.mark.parametrize(
    "url",
    [
        Url("https", "example.com", 443, "/a b"),
        Url("https", "example.com", 443, "/a\r\nX: 1"),
        Url("https", "example.com", 443, "/a", "q\n"),
        Url("https", "example.com", 443, "x"),
        Url("https", "example.com", 443, "/é"),
        Url("https", "example.com\r\nX: 1", 443),
        Url("https", "exa mple.com", 443),
    ],
)
def test_a_url_made_by_hand_cannot_smuggle_either(url: Url) -> None:
    with pytest.raises(Failure):
        head(url=url)


@given(
    st.text(max_size=12),
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=20)), max_size=4),
    st.text(max_size=20),
    st.text(max_size=20),
    st.none() | st.text(max_size=10),
)
def test_any_text_in_any_place_makes_exactly_one_head_or_a_named_failure(
    method: str, headers: list[tuple[str, str]], host: str, path: str, query: str | None
) -> None:
    request = Request(method, Url("http", host, 80, f"/{path}", query), tuple(headers), b"{}")
    try:
        written = encode_head(request)
    except Failure as refused:
        event(refused.reason)
        return
    lines = written.split(b"\r\n")
    assert len(lines) == 6 + len(headers)
    assert lines[-2:] == [b"", b""]
    assert written.count(b"\n") == written.count(b"\r") == len(lines) - 1
    assert lines[0].count(b" ") == 2
    assert lines[0].endswith(b" HTTP/1.1")
    assert b"\0" not in written
