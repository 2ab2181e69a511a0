"""Text from outside, made safe to look at: what cannot be seen is written out, and secrets are masked."""

import re
import unicodedata
from typing import Final

from markupsafe import Markup, escape

__all__ = ["MASK", "foreign", "masked", "masked_fields", "masked_url", "plain", "url_parts", "visible"]

MASK: Final = "•••"

_CONTROLS: Final = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO"),
    *("SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS"),
    *("RS", "US"),
)
# Controls, formats (the overrides of direction among them), surrogates, private use, unassigned, separators.
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

_SECRET: Final = re.compile(r"\b(wh(?:sec|sk)_|bearer |basic )[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
# The slashes may be escaped, as in JSON.
_URL_WITH_QUERY: Final = re.compile(
    r"https?:(?:\\?/){2}(?:[^\s\"'<>?#\\]|\\/){0,2083}\?(?:[^\s\"'<>#\\]|\\/)*"
)
_SECRET_FIELD: Final = re.compile(
    r"authori[sz]ation|cookie|secret|token|password|signature|(?:^|[-_])(?:key|auth)$", re.IGNORECASE
)


def foreign(text: object, *, lines: bool = False) -> Markup:
    """Text as it is, for a page: escaped, unseen characters written out, secrets masked.

    With `lines` its line ends and tabs are obeyed; without, they are written out too.
    """
    return visible(masked(str(text)), lines=lines)


def visible(text: str, *, lines: bool = False) -> Markup:
    """Escape a text and write out what cannot be seen in it, or would turn the text around it."""
    if text.isprintable():
        return escape(text)
    obeyed = "\n\t" if lines else ""
    return Markup("").join(
        _written_out(character) if _is_unseen(character) and character not in obeyed else escape(character)
        for character in text
    )


def plain(text: str) -> str:
    """The text for places that take no marks, such as a page's title."""
    return "".join("\ufffd" if _is_unseen(character) else character for character in masked(text))


def masked(text: str) -> str:
    """The text without secrets that are known by their form, and without the values in queries of URLs."""
    text = _SECRET.sub(lambda found: found[1] + MASK, text)
    return _URL_WITH_QUERY.sub(lambda found: masked_url(found[0]), text)


def masked_url(url: str) -> str:
    """A URL without the values of its query: tokens are often among them."""
    base, question_mark, query = url.partition("?")
    if not query:
        return url
    pairs = (pair.partition("=") for pair in query.split("&"))
    return base + question_mark + "&".join(f"{name}={MASK}" if sign else MASK for name, sign, _ in pairs)


def url_parts(url: str) -> tuple[Markup, Markup, Markup]:
    """Scheme, host and the rest of a URL, ready to be shown; what is no URL is all host."""
    scheme, separator, rest = masked_url(url).partition("://")
    if not separator:
        return Markup(), foreign(scheme), Markup()
    host, slash, path = rest.partition("/")
    return foreign(scheme + separator), foreign(host), foreign(slash + path)


def masked_fields(fields: list[list[str]]) -> list[tuple[str, str]]:
    """Header fields without the values that let somebody in."""
    return [(name, MASK if _SECRET_FIELD.search(name) else masked(value)) for name, value in fields]


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN


def _written_out(character: str) -> Markup:
    number = ord(character)
    short = _CONTROLS[number] if number < 32 else f"U+{number:04X}"
    long = unicodedata.name(character, f"U+{number:04X}")
    return Markup('<span class="unseen" title="{}">{}</span>').format(long, short)
