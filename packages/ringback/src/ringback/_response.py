"""Reading one response: caps and strict framing round the llhttp parser, without any socket."""

import httptools

from ringback._message import Failure, FailureReason, Limits

__all__ = ["ResponseReader"]

_FRAMING_FACTOR = 4


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

    __slots__ = (
        "_bytes",
        "_chunks",
        "_expected",
        "_fields",
        "_interim",
        "_limits",
        "_method",
        "_parser",
        "body_error",
        "done",
        "failure",
        "head_complete",
        "headers",
        "reusable",
        "size",
        "status_code",
    )

    def __init__(self, method: str, limits: Limits) -> None:
        self._method = method
        self._limits = limits
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._bytes = 0
        self._fields = 0
        self._interim = 0
        self._expected: int | None = None  # bytes of the body; -1 until the end of file, -2 chunked
        self._chunks: list[bytes] = []
        self.size = 0
        self.headers: list[tuple[str, str]] = []
        self.status_code = 0
        self.head_complete = False
        self.done = False
        self.reusable = False
        self.body_error: str | None = None
        self.failure: Failure | None = None

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
            after = f"after {self._bytes} bytes of an answer" if self._bytes else "without an answer"
            self._fail(FailureReason.RESET, f"{why} {after}")
        elif self._expected == -1 and error is None:
            self.done = True
        else:
            self._cut(f"{why} after {self.size} bytes of the body")
        self._end()

    def stop(self, why: str) -> None:
        """Give up on the rest of the body; only after the head is complete."""
        self._cut(why)
        self._end()

    # ---- what the parser calls ----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.done:
            self.reusable = False  # bytes after the end
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > self._limits.fields:
            why = f"more than {self._limits.fields} header fields"
            if self.head_complete:
                self._cut(f"{why}, trailers included")
            else:
                self._fail(FailureReason.TOO_MANY_FIELDS, why)
            raise _Stop
        if not self.head_complete:
            self.headers.append((name.lower().decode("latin-1"), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        version, status = parser.get_http_version(), parser.get_status_code()
        if version not in {"1.1", "1.0"}:
            self._refuse(f"HTTP/{version} was not asked for")
        if not 100 <= status <= 599:
            self._refuse(f"{status} is not a status code")
        if status < 200:
            self._begin_interim(status)
            return
        self._expected = self._framing(version, status)
        self.status_code = status
        self.head_complete = True
        self.reusable = self._expected != -1 and parser.should_keep_alive()
        if self._expected == 0:
            self.done = True

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.reusable = False
            raise _Stop
        self._chunks.append(data)
        self.size += len(data)
        if self.size > self._limits.body:
            self._cut(f"the body has more than {self._limits.body} bytes; the rest was not read")
            raise _Stop

    def on_message_complete(self) -> None:
        if self.head_complete:
            self.done = True
        else:
            self.headers.clear()

    # ---- rules --------------------------------------------------------------------------------------------

    def _begin_interim(self, status: int) -> None:
        self._interim += 1
        if status == 101:
            self._refuse("status 101 switches to a protocol that was not asked for")
        if self._interim > self._limits.interim:
            self._fail(FailureReason.TOO_MANY_INTERIM, f"more than {self._limits.interim} interim responses")
            raise _Stop
        if any(name in {"content-length", "transfer-encoding"} for name, _ in self.headers):
            self._refuse(f"the interim response {status} announces a body")

    def _framing(self, version: str, status: int) -> int:
        """How the body ends (RFC 9112 section 6.3): its length, -1 at the end of file, -2 chunked."""
        lengths = [value for name, value in self.headers if name == "content-length"]
        codings = [value for name, value in self.headers if name == "transfer-encoding"]
        if codings:
            if lengths:
                self._refuse("both Content-Length and Transfer-Encoding")
            if version == "1.0" or len(codings) > 1 or codings[0].lower() != "chunked":
                self._refuse(f"Transfer-Encoding {', '.join(codings)!r} in HTTP/{version}")
        if len(lengths) > 1 or (lengths and not (lengths[0].isascii() and lengths[0].isdigit())):
            self._refuse(f"Content-Length {', '.join(lengths)!r}")
        coding = next((v for n, v in self.headers if n == "content-encoding"), "identity").lower()
        if coding not in {"identity", ""}:
            self.body_error = f"the body is coded as {coding[:40]!r}, although identity was asked for"
        if self._method == "HEAD" or status in {204, 304} or (self._method == "CONNECT" and status < 300):
            return 0
        if codings:
            return -2
        return int(lengths[0]) if lengths else -1

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

    def _refuse(self, why: str) -> None:
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
