"""What goes over the wire as values: request, response, failure and limits; and the request's head."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from ringback._errors import RingbackError
from ringback._urls import Url

__all__ = ["Failure", "FailureReason", "Limits", "Request", "Response", "encode_head"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})

# Framing and connection handling are the transport's alone: a second opinion on them is request smuggling.
_RESERVED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "upgrade"}
    | {"te", "trailer", "keep-alive", "proxy-authorization", "proxy-connection", "http2-settings"}
)
_REMEMBERED_NAMES = 1024
_good_names: set[str] = set()


class FailureReason(StrEnum):
    """Why no response came. The value is what the database, logs and console hold."""

    BLOCKED = "blocked"
    """The network policy refuses the URL or an address of it. Nothing was sent."""
    UNRESOLVED = "unresolved"
    """The name has no address now, or the name server gave no answer in time. Nothing was sent."""
    CONNECT_REFUSED = "connect_refused"
    """The host answers, but nothing listens on the port (or a firewall says so). Nothing was sent."""
    CONNECT_TIMEOUT = "connect_timeout"
    """Nobody answers at the address: host down, or packets filtered. Nothing was sent."""
    UNREACHABLE = "unreachable"
    """This machine has no route to the address. Nothing was sent."""
    LOCAL_RESOURCES = "local_resources"
    """This machine ran out of files, ports or memory. Nothing was sent; the receiver is not to blame."""
    PROXY = "proxy"
    """The egress proxy could not be reached or refused the tunnel. Nothing was sent."""
    TLS_CERTIFICATE = "tls_certificate"
    """The receiver's certificate is not valid for its name. Nothing was sent."""
    TLS_HANDSHAKE = "tls_handshake"
    """TLS could not be agreed: no common version, no TLS there, too slow, a client certificate asked."""
    TIMEOUT = "timeout"
    """The total deadline passed before the head of a response was complete."""
    RESET = "reset"
    """The connection broke before the head of a response was complete."""
    PROTOCOL_ERROR = "protocol_error"
    """What came is not an HTTP/1.x response, or is framed so that two readers could differ."""
    HEAD_TOO_LARGE = "head_too_large"
    """The head of the response is longer than the limit."""
    TOO_MANY_FIELDS = "too_many_fields"
    """The response has more header fields than the limit."""
    TOO_MANY_INTERIM = "too_many_interim"
    """More interim (1xx) responses than the limit came before the final one."""
    INVALID_REQUEST = "invalid_request"
    """The request cannot be written as HTTP (a control character in a header?). Nothing was sent."""


class Failure(RingbackError):
    """An attempt that brought no response.

    `detail` is for operators: it may name addresses and what the other side said. `sent` is True when the
    receiver may have seen the request, so that only a repeated `webhook-id` tells a duplicate.
    """

    def __init__(self, reason: FailureReason, detail: str, *, sent: bool = False) -> None:
        self.reason = reason
        self.detail = detail
        self.sent = sent
        super().__init__(f"{reason}: {detail}")


def half_of_the_files() -> int:
    """Half of what the system lets this process open (``ulimit -n``)."""
    try:
        import resource
    except ImportError:  # there is none on Windows
        return 1024
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 32_768 if soft == resource.RLIM_INFINITY else min(soft // 2, 32_768)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one attempt: seconds, bytes and counts.

    `dns`, `connect` and `tls` end their stage early; the deadline given to `send` ends all of it.
    `body` bytes of a response are kept, then the connection is closed. `idle` is how long a kept-alive
    connection may wait for its next request, shorter than the five seconds of common servers;
    `idle_per_place` and `idle_total` bound how many wait; by default half of the files that this process
    may open.
    """

    dns: float = 3.0
    connect: float = 5.0
    tls: float = 5.0
    addresses: int = 8
    head: int = 32 * 1024
    fields: int = 100
    interim: int = 3
    body: int = 64 * 1024
    idle: float = 4.0
    idle_per_place: int = 64
    idle_total: int = field(default_factory=half_of_the_files)


class Request(NamedTuple):
    """One request as it will be written. `Host`, framing and `Accept-Encoding` are the transport's."""

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Response(NamedTuple):
    """A response whose head is complete; names in `headers` are lower case, in the order received.

    `body_error` says why `body` is not all of it, or not readable: the status counts all the same.
    """

    status_code: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    body_error: str | None
    remote_address: str


def encode_head(request: Request) -> bytes:
    """The request line and the fields, checked so that exactly one request can be read from them."""
    url, method, headers = request.url, request.method, request.headers
    target, host = url.target, url.authority
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise Failure(FailureReason.INVALID_REQUEST, f"{method!r} is not a method that a callback can use")
    if not (target.isascii() and target.isprintable() and target.startswith("/")) or " " in target:
        raise Failure(FailureReason.INVALID_REQUEST, f"{target!r} cannot stand in a request line")
    if not (host.isascii() and host.isprintable()) or " " in host:
        raise Failure(FailureReason.INVALID_REQUEST, f"{host!r} cannot stand in a Host field")
    for name, value in headers:
        if name not in _good_names:
            _check_name(name)
        if not (value.isascii() and value.isprintable()):
            _check_value(name, value)
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    length = f"Content-Length: {len(request.body)}\r\n" if request.body or method not in _BODYLESS else ""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n{length}{fields}\r\n"
    ).encode("latin-1")


def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise Failure(FailureReason.INVALID_REQUEST, f"{name!r} is not the name of a header field")
    if name.lower() in _RESERVED:
        raise Failure(
            FailureReason.INVALID_REQUEST, f"the field {name} is set by the transport; leave it out"
        )
    if len(_good_names) >= _REMEMBERED_NAMES:
        _good_names.clear()
    _good_names.add(name)


def _check_value(name: str, value: str) -> None:
    bad = _NOT_IN_VALUE.search(value)
    if bad is not None:
        raise Failure(
            FailureReason.INVALID_REQUEST,
            f"the field {name} holds {bad.group()!a}, which no header can carry",
        )
