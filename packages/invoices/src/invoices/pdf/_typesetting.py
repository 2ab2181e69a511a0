"""Sets an invoice with typst; the only module that knows the typesetter and where the fonts are."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import typst

from invoices.pdf.document import PdfFailed

_HERE = Path(__file__).parent

# Noto Sans (Latin, Greek, Cyrillic, Devanagari) is always there. The others (more scripts and emoji; Chinese,
# Japanese and Korean) are used where their package is installed. What no font has is set as an empty box.
_FONT_PACKAGES = ("fontpkg_noto_sans", "manimgx_fonts", "manimgx_fonts_cjk")


def typeset(order: bytes) -> bytes:
    """The PDF for an order: JSON with the invoice's `view` and the file's `timestamp`. Raises PdfFailed."""
    asked = json.loads(order)
    fonts = typst.Fonts(include_system_fonts=False, font_paths=_font_folders())
    families = [name for name in fonts.families() if name.startswith("Noto ")]
    invoice: dict[str, Any] = asked["invoice"] | {"fonts": sorted(families, key=_preference)}
    compiler = typst.Compiler(
        (_HERE / "invoice.typ").read_bytes(),
        root=_HERE,
        font_paths=fonts,
        sys_inputs={"invoice": json.dumps(invoice)},
    )
    try:
        pdf = compiler.compile(format="pdf", timestamp=asked["timestamp"])
    except RuntimeError as error:  # TypstError, but also what typst does not wrap
        raise PdfFailed(f"the typesetter refused the invoice: {error}") from error
    assert isinstance(pdf, bytes), "one document is one file"
    return pdf


def _preference(family: str) -> tuple[int, str]:
    # Han characters are drawn in one region's manner only; of the five, the one with most readers.
    return {"Noto Sans": 0, "Noto Sans CJK SC": 1}.get(family, 2), family


def _font_folders() -> list[Path]:
    folders = []
    for package in _FONT_PACKAGES:
        found = importlib.util.find_spec(package)
        if found is not None:
            folders += [Path(place) for place in found.submodule_search_locations or ()]
    return folders
