"""Reading one response: caps and strict framing round the llhttp parser, without any socket."""

import ssl
from typing import NoReturn

import httptools

from ringback._message import Failure, FailureReason, Limits
from ringback._tls import explain

__all__ = ["ResponseReader"]

_FRAMING_FACTOR = 4
_FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding"})


# Field names as they came and as we call them: the same few in every answer.
_names: dict[bytes, str] = {}
_REMEMBERED_NAMES = 1024
_LONGEST_REMEMBERED = 64


def _lower(name: bytes) -> str:
    text = name.lower().decode("latin-1")
    if len(name) <= _LONGEST_REMEMBERED:
        if len(_names) >= _REMEMBERED_NAMES:
            _names.clear()
        _names[name] = text
    return text


class _Stop(Exception):
    """Raised inside a callback to stop the parser; the reader already knows why."""


class ResponseReader:
    """Takes the bytes of one connection after one request and says when the response is over.

    Reading ends with `done`: then either `failure` is set (no complete head), or `status_code`, `headers`
    and `body` are, with `body_error` where the body broke or was cut. `reusable` is True only if the
    response ended where it said it would, nothing followed, and both sides keep the connection.

    The parser alone is not enough: it knows no end of file, reports interim responses as complete, collects
    an endless line without a callback, and accepts RTSP, HTTP/0.9, HTTP/2.0 and codings that it does not
    decode.
    """

    # Defaults of the class: most responses change few of them, and one reader is made for each.
    done = False
    failure: Failure | None = None
    head_complete = False
    status_code = 0
    body_error: str | None = None
    reusable = False
    _size = 0
    _bytes = 0
    _interim = 0
    _until_end_of_file = False

    def __init__(self, method: str, limits: Limits) -> None:
        self.headers: tuple[tuple[str, str], ...] = ()
        self._fields: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._method = method
        self._limits = limits
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """What came of the body, at most the limit."""
        return b"".join(self._chunks)[: self._limits.body]

    # ---- what the connection calls ------------------------------------------------------------------------

    def feed(self, data: bytes) -> bool:
        """Read `data`; True when the response is over and the connection's fate decided."""
        limits = self._limits
        room = limits.head - self._bytes
        if not self._bytes and data[:1] != b"H":
            self._fail(FailureReason.PROTOCOL_ERROR, f"the answer begins with {data[:40]!r}: not HTTP/1.x")
        self._bytes += len(data)
        if len(data) > room and not self.head_complete:
            self._parse(data[:room])
            self._require_head()
            data = data[room:]
        if not self.done:
            self._parse(data)
        if not self.done and self._bytes > limits.head + limits.body * _FRAMING_FACTOR:
            self._cut(f"the body's framing has more than {_FRAMING_FACTOR} times the bytes that are read")
        return self._end() if self.done else False

    def end_of_file(self, error: Exception | None) -> None:
        """The connection ended; `error` is None where the other side closed it in good order."""
        if self.done:
            return
        why = f"the connection broke ({error})" if error else "the receiver closed the connection"
        if not self.head_complete:
            reason, came = FailureReason.RESET, f"after {self._bytes} bytes of an answer"
            if isinstance(error, ssl.SSLError) and not self._bytes:
                reason, why = explain(error)
            self._fail(reason, f"{why} {came if self._bytes else 'without an answer'}")
        elif self._until_end_of_file and error is None:
            self.done = True
        else:
            self._cut(f"{why} after {self._size} bytes of the body")
        self._end()

    def deadline_passed(self) -> None:
        """No more time: with a complete head the response stands, without its whole body."""
        if self.head_complete:
            self._cut(f"the deadline passed after {self._size} bytes of the body")
        else:
            detail = f"no complete answer within the deadline, {self._bytes} bytes of it"
            self._fail(FailureReason.TIMEOUT, detail)
        self._end()

    # ---- what the parser calls ----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.done:
            self.reusable = False  # bytes after the end
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:  # else a trailer: it counts as bytes, and means nothing
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        if len(self._fields) > self._limits.fields:
            self._fail(FailureReason.TOO_MANY_FIELDS, f"more than {self._limits.fields} header fields")
            raise _Stop
        self.headers = tuple(
            [
                (_names.get(name) or _lower(name), value.strip(b" \t").decode("latin-1"))
                for name, value in self._fields
            ]
        )
        version, status = parser.get_http_version(), parser.get_status_code()
        if version not in {"1.1", "1.0"}:
            self._refuse(f"HTTP/{version} was not asked for")
        if status < 200 or status > 599:
            self._begin_interim(status)
            return
        length = self._body_length(version)
        self.status_code = status
        self.head_complete = True
        if status in {204, 304} or self._method == "HEAD" or (self._method == "CONNECT" and status < 300):
            length = 0
        self._until_end_of_file = length is None
        self.done = length == 0
        self.reusable = length is not None and parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.reusable = False
            raise _Stop
        self._chunks.append(data)
        self._size += len(data)
        if self._size > self._limits.body:
            self._cut(f"the body has more than {self._limits.body} bytes; the rest was not read")
            raise _Stop

    def on_message_complete(self) -> None:
        if self.head_complete:
            self.done = True
        else:
            self._fields.clear()

    # ---- rules --------------------------------------------------------------------------------------------

    def _begin_interim(self, status: int) -> None:
        if not 100 <= status <= 199:
            self._refuse(f"{status} is not a status code")
        self._interim += 1
        if status == 101:
            self._refuse("status 101 switches to a protocol that was not asked for")
        if self._interim > self._limits.interim:
            self._fail(FailureReason.TOO_MANY_INTERIM, f"more than {self._limits.interim} interim responses")
            raise _Stop
        if any(name in _FRAMING for name, _ in self.headers):
            self._refuse(f"the interim response {status} announces a body")

    def _body_length(self, version: str) -> int | None:
        """How the body ends (RFC 9112 section 6.3): its length, -1 if chunked, None at the end of file."""
        found = [field for field in self.headers if field[0] in _FRAMING]
        if not found:
            return None
        name, value = found[0]
        if len(found) == 1 and name == "content-length" and value.isascii() and value.isdigit():
            return int(value)
        return self._other_framing(version, found)

    def _other_framing(self, version: str, found: list[tuple[str, str]]) -> int | None:
        framing = []
        for name, value in found:
            if name != "content-encoding":
                framing.append((name, value))
            elif value.lower() not in {"identity", ""}:
                self.body_error = f"the body is coded as {value[:40]!r}, although identity was asked for"
        match framing:
            case []:
                return None
            case [("content-length", value)] if value.isascii() and value.isdigit():
                return int(value)
            case [("transfer-encoding", value)] if value.lower() == "chunked" and version == "1.1":
                return -1
        told = ", ".join(f"{name}: {value[:40]!r}" for name, value in framing)
        return self._refuse(f"the end of the body is told by {told} in HTTP/{version}")

    def _require_head(self) -> None:
        if not (self.head_complete or self.done):
            self._fail(FailureReason.HEAD_TOO_LARGE, f"the head has more than {self._limits.head} bytes")

    def _parse(self, data: bytes) -> None:
        if self._parser is None or self.done:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Stop):
                raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._malformed(f"{error}")

    def _malformed(self, why: str) -> None:
        if self.done:
            self.reusable = False  # what is malformed came after the end
        elif self.head_complete:
            self._cut(f"the body is malformed ({why})")
        else:
            self._fail(FailureReason.PROTOCOL_ERROR, f"the answer is not valid HTTP/1.x ({why})")

    def _refuse(self, why: str) -> NoReturn:
        self._fail(FailureReason.PROTOCOL_ERROR, f"the answer is not acceptable: {why}")
        raise _Stop

    def _fail(self, reason: FailureReason, detail: str) -> None:
        self.failure = Failure(reason, detail, sent=True)
        self.done = True
        self.reusable = False

    def _cut(self, why: str) -> None:
        self.body_error = self.body_error or why
        self.done = True
        self.reusable = False

    def _end(self) -> bool:
        self._parser = None  # it holds this reader: a cycle
        return True
