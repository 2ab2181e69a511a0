"""What a stranger's text may contain once it is set in a document or a mail: everything that can be read."""

import re
import unicodedata

_GAP = re.compile(r"\s+")
_UNREADABLE = {"Cc", "Cf", "Co", "Cs", "Cn"}

# Of the format characters (Cf), those that letters of some scripts and emoji are joined with. The others are
# not seen, or turn the direction of what follows: a name with them can change how an amount beside it reads.
_JOINERS = {"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))}

# Right-to-left letters and Arabic letters and digits (Unicode Standard Annex 9).
_LEFTWARD = {"R", "AL", "AN"}


def printable(text: str) -> str:
    """`text` on one line, without what cannot be read.

    Dropped are control and format characters, lone surrogates, private and unassigned code points.
    """
    spaced = _GAP.sub(" ", text)
    kept = "".join(
        letter for letter in spaced if letter in _JOINERS or unicodedata.category(letter) not in _UNREADABLE
    )
    return " ".join(kept.split())


def isolated(text: str) -> str:
    """`text` so that its direction changes nothing beside it, where it has letters that run to the left."""
    is_mixed = any(unicodedata.bidirectional(letter) in _LEFTWARD for letter in text)
    return f"\u2068{text}\u2069" if is_mixed else text


def file_stem(text: str, *, otherwise: str = "invoice") -> str:
    """A readable file name about `text`: ASCII letters, digits, `.`, `_` and `-`, 80 characters at most."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:80] or otherwise
