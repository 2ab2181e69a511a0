"""The fonts that are there, and which characters none of them has: read from their tables, not guessed."""

import importlib.util
import struct
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["folders", "has_east_asian", "lacking", "preference"]

# Noto Sans (Latin, Greek, Cyrillic) and other scripts are always there. Chinese, Japanese and Korean are the
# extra `cjk`, because that is four times as large as all the others together.
_EAST_ASIAN: Final = "manimgx_fonts_cjk"
_PACKAGES: Final = ("fontpkg_noto_sans", "manimgx_fonts", _EAST_ASIAN)
_SUFFIXES: Final = frozenset({".ttf", ".otf", ".ttc"})

# What has no picture of its own: nobody misses it.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zs"})


def folders() -> list[Path]:
    """Where fonts are installed."""
    found = map(importlib.util.find_spec, _PACKAGES)
    return [Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()]


def has_east_asian() -> bool:
    """Whether the extra `cjk` is installed."""
    return importlib.util.find_spec(_EAST_ASIAN) is not None


def preference(family: str) -> tuple[int, str]:
    """Sorts families. Han characters are drawn in one region's manner only: the one with most readers."""
    return {"Noto Sans": 0, "Noto Sans CJK SC": 1}.get(family, 2), family


def lacking(text: str) -> set[str]:
    """The characters of `text` that no font has."""
    wanted = {ord(letter) for letter in text if letter > "\x7e" and _is_seen(letter)}
    files = [path for folder in folders() for path in sorted(folder.rglob("*")) if path.suffix in _SUFFIXES]
    for path in files:
        if not wanted:
            break
        with path.open("rb") as file:
            wanted -= _covered(file, wanted)
    return set(map(chr, wanted))


def _is_seen(letter: str) -> bool:
    is_selector = "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"
    return unicodedata.category(letter) not in _UNSEEN and not is_selector


def _covered(file: BinaryIO, wanted: set[int]) -> set[int]:
    """Which of the code points the file's first font has (all fonts of a collection have the same)."""
    found: set[int] = set()
    for first, last in _ranges(_character_map(file)):
        found.update(point for point in wanted if first <= point <= last)
    return found


def _character_map(file: BinaryIO) -> bytes:
    """The largest subtable of the font's `cmap` that is of a known format; see OpenType, `cmap`."""
    start = 0
    if file.read(4) == b"ttcf":
        file.seek(12)
        (start,) = struct.unpack(">I", file.read(4))
    file.seek(start + 4)
    (count,) = struct.unpack(">H6x", file.read(8))
    records = dict(struct.iter_unpack(">4s4xI4x", file.read(16 * count)))
    offset = records[b"cmap"]
    file.seek(offset + 2)
    (count,) = struct.unpack(">H", file.read(2))
    tables = [offset + at for (at,) in struct.iter_unpack(">4xI", file.read(8 * count))]
    return max((_subtable(file, at) for at in sorted(set(tables))), key=len)


def _subtable(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    head = file.read(8)
    kind, short, long = struct.unpack(">HHI", head)
    length = {4: short, 12: long}.get(kind, 0)
    return head + file.read(length - 8) if length else b""


def _ranges(table: bytes) -> Iterator[tuple[int, int]]:
    if table[:2] == b"\x00\x0c":
        for first, last, _ in struct.iter_unpack(">III", table[16:]):
            yield first, last
    elif table[:2] == b"\x00\x04":
        yield from _segments(table)


def _segments(table: bytes) -> Iterator[tuple[int, int]]:
    (double,) = struct.unpack_from(">H", table, 6)
    lasts, firsts, offsets = (
        struct.unpack_from(f">{double // 2}H", table, start)
        for start in (14, 16 + double, 16 + 3 * double)  # the deltas, between them, only say which picture
    )
    for place, (first, last, offset) in enumerate(zip(firsts, lasts, offsets, strict=True)):
        if not offset:
            yield from [(first, last)] if last != 0xFFFF else []
            continue
        for point in range(first, last + 1):
            at = 16 + 3 * double + 2 * place + offset + 2 * (point - first)
            if at + 2 <= len(table) and struct.unpack_from(">H", table, at)[0]:
                yield point, point
