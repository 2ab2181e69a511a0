"""What a stranger's text may contain once it is set in a document or a mail: everything that can be read."""

import re
import unicodedata

# They turn the direction of what follows: with them a name can rewrite how an amount beside it reads.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_GAP = re.compile(r"\s+")
_UNREADABLE = {"Cc", "Cs", "Co", "Cn"}


def printable(text: str) -> str:
    """`text` on one line, without what cannot be read.

    Dropped are control characters, direction marks, lone surrogates, private and unassigned code points.
    """
    spaced = _GAP.sub(" ", _TURNING.sub("", text))
    kept = "".join(letter for letter in spaced if unicodedata.category(letter) not in _UNREADABLE)
    return kept.strip()


def file_stem(text: str, *, otherwise: str = "invoice") -> str:
    """A readable file name about `text`: ASCII letters, digits, `.`, `_` and `-`, 80 characters at most."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:80] or otherwise
