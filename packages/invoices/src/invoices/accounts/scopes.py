"""What an API key may be used for."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

__all__ = ["ALL_SCOPES", "Scope", "scopes_of", "text_of"]


class Scope(StrEnum):
    """One right of a key. None of them includes another."""

    CREATE = "create"
    """Send invoices."""
    READ = "read"
    """List and read invoices, their PDFs and what became of their callbacks."""
    MANAGE = "manage"
    """Change invoices that exist: withdraw them."""


ALL_SCOPES: Final = frozenset(Scope)


def scopes_of(text: str) -> frozenset[Scope]:
    """Scopes as they are stored: words with spaces between them."""
    return frozenset(Scope(word) for word in text.split())


def text_of(scopes: Iterable[Scope]) -> str:
    """The stored form, always in the same order."""
    given = frozenset(scopes)
    return " ".join(scope for scope in Scope if scope in given)
