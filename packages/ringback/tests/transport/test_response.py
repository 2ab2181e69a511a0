"""Every trap of framing, at the level of bytes: whole, byte by byte, and cut at random."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback._message import FailureReason, Limits
from ringback._response import ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMITS = Limits(head=1024, fields=20, interim=3, body=100)


def read(
    data: bytes, *, method: str = "POST", size: int | None = None, closed: bool = True
) -> ResponseReader:
    """Read `data` in pieces of `size` bytes, as a connection would."""
    reader = ResponseReader(method, LIMITS)
    for piece in pieces(data, size or len(data) or 1):
        if reader.feed(piece):
            return reader
    if closed:
        reader.end_of_file(None)
    return reader


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def told(reader: ResponseReader) -> tuple[object, ...]:
    failure = None if reader.failure is None else reader.failure.reason
    return (reader.done, failure, reader.status_code, reader.body, reader.body_error is None)


GOOD = {
    "length": (OK + b"Content-Length: 2\r\n\r\nok", 200, b"ok", True),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "length with blanks": (OK + b"Content-Length:  2 \r\n\r\nok", 200, b"ok", True),
    "chunked": (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", 200, b"ok", True),
    "chunked, trailers": (CHUNKED + b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", 200, b"ok", True),
    "chunked, extension": (CHUNKED + b"2;a=b\r\nok\r\n0\r\n\r\n", 200, b"ok", True),
    "chunked in capitals": (OK + b"TRANSFER-ENCODING: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok", True),
    "until the end of file": (OK + b"\r\nok", 200, b"ok", False),
    "1.0 until the end of file": (b"HTTP/1.0 200 OK\r\n\r\nok", 200, b"ok", False),
    "1.0 with length": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
    "close asked": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304 tells a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
    "no phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
    "interim first": (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
        200,
        b"ok",
        True,
    ),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "upgrade offered": (OK + b"Upgrade: h2c\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
    "latin-1": (OK + b"X: \xe9\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
}


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize("name", GOOD)
def test_a_well_framed_response_is_read_to_its_end(name: str, size: int | None) -> None:
    data, status, body, reusable = GOOD[name]
    reader = read(data, size=size)
    assert reader.failure is None
    assert (reader.status_code, reader.body, reader.body_error) == (status, body, None)
    assert reader.reusable is reusable


def test_fields_of_interim_responses_and_trailers_are_not_the_response_s() -> None:
    reader = read(
        b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"
        + OK
        + b"A: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: 2\r\n\r\n"
    )
    assert reader.headers == (("a", "1"), ("transfer-encoding", "chunked"))


def test_a_response_to_head_has_no_body_whatever_it_says() -> None:
    reader = read(OK + b"Content-Length: 5\r\n\r\n", method="HEAD", closed=False)
    assert (reader.done, reader.body, reader.reusable) == (True, b"", True)


BAD = {
    "nothing": b"",
    "half a head": OK + b"Content-Le",
    "interim only": b"HTTP/1.1 103 Early\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/0.9 by name": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0 by name": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2 frames": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "SMTP": b"220 mail.example.com ESMTP\r\n",
    "TLS alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "RTSP": b"RTSP/1.0 200 OK\r\n\r\n",
    "ICE": b"ICE/1.0 200 OK\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "two different lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "signed length": OK + b"Content-Length: +2\r\n\r\nok",
    "negative length": OK + b"Content-Length: -2\r\n\r\nok",
    "hex length": OK + b"Content-Length: 0x2\r\n\r\nok",
    "empty length": OK + b"Content-Length: \r\n\r\nok",
    "endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "length, then chunked": OK
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked, then length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip coding": OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked, identity": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "xchunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "interim with length": b"HTTP/1.1 100 C\r\nContent-Length: 3\r\n\r\nabc"
    + OK
    + b"Content-Length: 0\r\n\r\n",
    "interim chunked": b"HTTP/1.1 103 C\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
    "bare 101": b"HTTP/1.1 101 Switching\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "status 20": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status two": b"HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare CR": OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "NUL in a name": OK + b"X\x00Y: 1\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "escape in a value": OK + b"X: \x1b]0;\r\nContent-Length: 0\r\n\r\n",
    "folded line": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "blank before colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"foo\r\nContent-Length: 0\r\n\r\n",
    "no name": OK + b": x\r\nContent-Length: 0\r\n\r\n",
    "empty line first": b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
}
BROKEN_OFF = {"nothing", "half a head", "interim only"}


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("name", BAD)
def test_what_is_not_one_clear_response_is_a_failure_with_a_reason(name: str, size: int | None) -> None:
    reader = read(BAD[name], size=size)
    expected = FailureReason.RESET if name in BROKEN_OFF else FailureReason.PROTOCOL_ERROR
    assert reader.failure is not None
    assert reader.failure.reason == expected
    assert reader.failure.sent
    assert not reader.reusable


AFTER_THE_END = {
    "junk": OK + b"Content-Length: 2\r\n\r\nokJUNK",
    "a second response": OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 4\r\n\r\nevil",
    "after the last chunk": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + OK,
    "after close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nokJUNK",
    "after an empty body": OK + b"Content-Length: 0\r\n\r\nX",
    "body of 204": b"HTTP/1.1 204 N\r\nContent-Length: 2\r\n\r\nok",
    "chunks of 204": b"HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "body of 304": b"HTTP/1.1 304 N\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", AFTER_THE_END)
def test_bytes_after_the_end_cost_the_connection_and_are_never_read_as_the_body(name: str) -> None:
    reader = read(AFTER_THE_END[name])
    assert reader.failure is None
    assert not reader.reusable
    assert b"JUNK" not in reader.body
    assert b"evil" not in reader.body


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize(
    ("data", "kept", "why"),
    [
        (OK + b"Content-Length: 5\r\n\r\nok", b"ok", "closed the connection after 2 bytes"),
        (CHUNKED + b"5\r\nok", b"ok", "closed the connection after 2 bytes"),
        (CHUNKED + b"2\r\nok\r\nzz\r\n", b"ok", "malformed"),
        (CHUNKED + b"2\r\nokX0\r\n\r\n", b"ok", "malformed"),
        (CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", b"", "malformed"),
        (CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n", b"", "malformed"),
        (CHUNKED + b"fffffffffffffffff\r\nok", b"", "malformed"),
        (CHUNKED + b"2\nok\r\n0\r\n\r\n", b"", "malformed"),
        (OK + b"Content-Length: 101\r\n\r\n" + b"x" * 101, b"x" * 100, "more than 100 bytes"),
        (OK + b"\r\n" + b"x" * 5000, b"x" * 100, "more than 100 bytes"),
        (CHUNKED + b"1f4\r\n" + b"x" * 500, b"x" * 100, "more than 100 bytes"),
        (CHUNKED + b"1;" + b"e" * 5000, b"", "framing"),
        (CHUNKED + b"0\r\n" + b"T: 1\r\n" * 1000, b"", "framing"),
        (CHUNKED + b"0" * 5000, b"", "framing"),
    ],
)
def test_a_body_that_breaks_or_never_ends_leaves_the_status_standing(
    data: bytes, kept: bytes, why: str, size: int | None
) -> None:
    reader = read(data, size=size)
    assert reader.failure is None
    assert reader.status_code == 200
    assert reader.body == kept
    assert why in (reader.body_error or "")
    assert not reader.reusable


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, gzip", b"br", b"zstd", b"deflate"])
def test_a_coded_body_is_kept_raw_and_said_to_be_coded(coding: bytes) -> None:
    reader = read(OK + b"Content-Encoding: " + coding + b"\r\nContent-Length: 2\r\n\r\n\x1f\x8b")
    assert (reader.status_code, reader.body) == (200, b"\x1f\x8b")
    assert "identity was asked for" in (reader.body_error or "")


@pytest.mark.parametrize("size", [None, 1, 100])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OK + b"A: 1\r\n" * 21 + b"\r\n", FailureReason.TOO_MANY_FIELDS),
        (b"HTTP/1.1 103 E\r\n" + b"A: 1\r\n" * 21 + b"\r\n", FailureReason.TOO_MANY_FIELDS),
        (OK + b"X: " + b"a" * 5000, FailureReason.HEAD_TOO_LARGE),
        (OK + b"X" * 5000, FailureReason.HEAD_TOO_LARGE),
        (b"HTTP/1.1 200 " + b"O" * 5000, FailureReason.HEAD_TOO_LARGE),
        (OK + b"A: 1\r\n" * 5000, FailureReason.HEAD_TOO_LARGE),
        (b"HTTP/1.1 103 E\r\n\r\n" * 4, FailureReason.TOO_MANY_INTERIM),
        (
            b"HTTP/1.1 102 E\r\nX: " + b"a" * 900 + b"\r\n\r\n" + OK + b"X: " + b"a" * 900,
            FailureReason.HEAD_TOO_LARGE,
        ),
    ],
)
def test_a_flood_in_the_head_has_its_own_reason(data: bytes, reason: FailureReason, size: int | None) -> None:
    reader = read(data, size=size)
    assert reader.failure is not None
    assert reader.failure.reason == reason


def test_the_caps_themselves_are_allowed() -> None:
    assert read(OK + b"A: 1\r\n" * 19 + b"Content-Length: 0\r\n\r\n").failure is None
    head = OK + b"Content-Length: 100\r\nX: "
    head += b"a" * (LIMITS.head - len(head) - 4) + b"\r\n\r\n"
    reader = read(head + b"b" * 100)
    assert (len(head), reader.body, reader.body_error) == (LIMITS.head, b"b" * 100, None)


@given(st.sampled_from([*(row[0] for row in GOOD.values()), *BAD.values()]), st.data())
def test_where_the_bytes_are_cut_changes_nothing(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=6)))
    reader = ResponseReader("POST", LIMITS)
    for start, end in itertools.pairwise([0, *cuts, len(data)]):
        if data[start:end] and reader.feed(data[start:end]):
            break
    else:
        reader.end_of_file(None)
    assert told(reader) == told(read(data))


PIECES = (OK, b"HTTP/1.1 ", b"103 E", b"\r\n", b"\r\n\r\n", b"Content-Length: ", b"2", b"Transfer-Encoding: ")
MORE = (
    b"chunked",
    b", ",
    b"0\r\n\r\n",
    b"2\r\nok\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b";",
    b"HTTP/1.0 200\r\n",
)


@given(
    st.lists(st.one_of(st.sampled_from(PIECES + MORE), st.binary(max_size=8)), max_size=40).map(b"".join),
    st.sampled_from(["POST", "HEAD"]),
)
def test_no_bytes_break_the_reader_or_get_past_its_caps(data: bytes, method: str) -> None:
    reader = read(data, method=method, size=11)
    assert reader.done
    assert (reader.failure is None) == (200 <= reader.status_code <= 599 and reader.head_complete)
    assert len(reader.body) <= LIMITS.body
    if reader.reusable:
        assert reader.body_error is None
        assert reader.failure is None
