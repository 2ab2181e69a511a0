"""The URL that a callback is sent to: a strict grammar, parsed once, sent from its parts."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from ringback._errors import InvalidUrl

__all__ = ["MAX_URL_LENGTH", "IPAddress", "Url", "is_inside_name", "literal_address", "parse_url"]

IPAddress = IPv4Address | IPv6Address

MAX_URL_LENGTH = 2048
"""Characters, which are bytes here: what every client, proxy and log holds. Pydantic's ``HttpUrl``: 2083."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_NOT_PRINTABLE = re.compile(r"[^!-~]")
_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
# Nearly every URL: nothing in it that must be looked at more closely, so that one pattern reads all of it.
_PLAIN = re.compile(
    r"(https?)://([A-Za-z0-9.:-]+)(/[A-Za-z0-9_~!$&'()*+,;=:@/-]*)(?:\?([A-Za-z0-9._~!$&'()*+,;=:@/-]*))?"
)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Names that only mean something on the inside, or nothing at all: RFC 6761, 6762, 7686, 8375, 9476, the
# reserved .internal, suffixes that ICANN will not delegate, and those that inside software made popular.
_INSIDE_SUFFIXES = frozenset(
    {"localhost", "local", "localdomain", "internal", "intranet", "intra", "private", "corp", "home", "lan"}
    | {"mail", "workgroup", "domain", "arpa", "test", "invalid", "onion", "alt", "i2p", "consul", "docker"}
    | {"kube", "svc", "cluster"}
)


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http(s) URL as `parse_url` read it.

    `scheme` and `host` are lower case, `host` is without the brackets of IPv6, `port` is the one to connect
    to, `path` starts with a slash, and `query` is None where there is no question mark. ``str(url)`` gives
    the text back as it was written, apart from case and the slash of an empty path.
    """

    scheme: str
    host: str
    port: int
    path: str = "/"
    query: str | None = None
    explicit_port: bool = field(default=False, compare=False, repr=False)

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port: the value of the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, without the default port (RFC 6454)."""
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        """Path and query: what the request line holds (origin-form, RFC 9112 section 3.2.1)."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def __str__(self) -> str:
        if self.explicit_port and self.port == DEFAULT_PORTS[self.scheme]:
            return f"{self.origin}:{self.port}{self.target}"
        return f"{self.origin}{self.target}"


def parse_url(text: str) -> Url:
    """Read `text` as a URL that may be called, or raise `InvalidUrl` with the reason.

    The grammar is RFC 3986 narrowed to what no two parsers read differently: printable ASCII, http or
    https, no userinfo, no fragment, no dot segments (percent-encoded ones included), a host that is a
    name, a plain dotted quad or a bracketed IPv6 address without a zone. Square brackets in the query
    are allowed, since browsers leave them there.
    """
    if len(text) > MAX_URL_LENGTH:
        raise InvalidUrl(f"the URL has {len(text)} characters; at most {MAX_URL_LENGTH} are allowed")
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        scheme, authority, path, query = plain.groups()
        host, port = _read_authority(authority)
        return Url(scheme, host, port or DEFAULT_PORTS[scheme], path, query, port is not None)
    return _parse_closely(text)


def _parse_closely(text: str) -> Url:
    bad = _NOT_PRINTABLE.search(text)
    if bad is not None:
        raise InvalidUrl(
            f"character {bad.group()!a} at position {bad.start()} is not allowed; percent-encode it in the "
            "path or query, and write an international host name in its xn-- form"
        )
    start = _SCHEME.match(text)
    if start is None:
        raise InvalidUrl("the URL must start with http:// or https://")
    rest = text[start.end() :]
    for character, name in (("#", "fragment"), ("\\", "backslash")):
        if character in rest:
            raise InvalidUrl(f"a {name} ({character}) is not allowed; remove it")
    end = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
    scheme = start.group(1).lower()
    host, port = _read_authority(rest[:end])
    path, question, query = rest[end:].partition("?")
    _check_path(path)
    if not _QUERY.fullmatch(query):
        raise InvalidUrl(f"the query {query!r} holds a character that must be percent-encoded")
    return Url(
        scheme=scheme,
        host=host,
        port=port or DEFAULT_PORTS[scheme],
        path=path or "/",
        query=query if question else None,
        explicit_port=port is not None,
    )


def is_inside_name(host: str) -> bool:
    """Whether `host` is a name that has no meaning on the public internet (localhost, ``.internal``, …)."""
    labels = host.split(".")
    return len(labels) == 1 or labels[-1] in _INSIDE_SUFFIXES


@lru_cache(maxsize=32_768)
def literal_address(host: str) -> IPAddress | None:
    """The address that `host` writes out, or None if it is a name."""
    if ":" in host:
        return IPv6Address(host)
    return IPv4Address(host) if _QUAD.fullmatch(host) else None


@lru_cache(maxsize=32_768)
def _read_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise InvalidUrl("user name and password are not allowed in the URL; remove everything before the @")
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidUrl(f"{authority!r} is not a bracketed IPv6 address with an optional port")
        colon, port = rest[:1], rest[1:]
        host = host.lower()
        _check_ipv6(host)
    else:
        host, colon, port = authority.partition(":")
        host = host.lower()
        _check_host(host)
    return host, _read_port(port) if colon else None


def _read_port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise InvalidUrl(f"port {text!r} is not a number from 1 to 65535")
    return int(text)


def _check_ipv6(host: str) -> None:
    if "%" in host:
        raise InvalidUrl(f"[{host}] names a network interface (zone); write the address without it")
    try:
        IPv6Address(host)
    except AddressValueError:
        raise InvalidUrl(f"[{host}] is not an IPv6 address") from None


def _check_host(host: str) -> None:
    if not host:
        raise InvalidUrl("the URL has no host")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        if not _QUAD.fullmatch(host) or any(int(label) > 255 for label in labels):
            raise InvalidUrl(
                f"host {host!r} is neither a name nor an IPv4 address of four plain decimal numbers"
            )
        return
    if len(host) > 253:
        raise InvalidUrl(f"the host name has {len(host)} characters; at most 253 are allowed")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise InvalidUrl(
                f"host {host!r} is not a host name: each part between dots holds 1 to 63 letters, digits or "
                "inner hyphens, and there is no dot at the end"
            )
        if label.startswith("xn--") and not _is_a_label(label):
            raise InvalidUrl(f"host {host!r}: {label!r} is not a valid international label (RFC 5891)")


def _is_a_label(label: str) -> bool:
    """Whether an ``xn--`` label decodes to what encodes to it again, and to no look-alike of ASCII."""
    try:
        text = label[4:].encode("ascii").decode("punycode")
        again = text.encode("punycode").decode("ascii")
    except (UnicodeError, ValueError, OverflowError):
        return False
    if not text or text.isascii() or again != label[4:]:
        return False
    if unicodedata.normalize("NFKC", text) != text or text.lower() != text:
        return False
    if text[2:4] == "--" or unicodedata.category(text[0])[0] == "M":
        return False
    # letters, marks, decimal digits; the joiners and dots that RFC 5892 allows by context
    return all(
        unicodedata.category(c)[0] in "LM"
        or c.isdecimal()
        or c in "-\u00b7\u0375\u05f3\u05f4\u200c\u200d\u30fb"
        for c in text
    )


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise InvalidUrl(f"the path {path!r} holds a character or a % that must be percent-encoded")
    for segment in path.split("/"):
        if len(segment) <= 6 and segment.lower().replace("%2e", ".") in {".", ".."}:
            raise InvalidUrl(
                f"the path {path!r} holds the dot segment {segment!r}; write the path without it"
            )
