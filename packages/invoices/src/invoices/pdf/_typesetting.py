"""Sets an invoice with typst; the only module that knows the typesetter."""

import json
import re
from pathlib import Path
from typing import Any, Final

import typst

from invoices.pdf import _fonts
from invoices.pdf.document import PdfFailed, PdfRefused

_HERE: Final = Path(__file__).parent

_SUBSTITUTE: Final = "\ufffd"

# Han with its radicals and strokes, kana, Bopomofo, Hangul, and the wide forms that stand among them.
_EAST_ASIAN: Final = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


def typeset(order: bytes) -> bytes:
    """The PDF for an order: JSON with the invoice's `view` and the file's `timestamp`.

    Raises PdfRefused where a font has to be installed first, and PdfFailed. Other characters that no font has
    are replaced by a sign of their own, and the paper says so.
    """
    asked = json.loads(order)
    lacking = _fonts.lacking(json.dumps(asked["invoice"], ensure_ascii=False)) - {_SUBSTITUTE}
    if not _fonts.has_east_asian() and (unprinted := sorted(filter(_EAST_ASIAN.match, lacking))):
        raise PdfRefused(
            "no font for Chinese, Japanese and Korean is installed, and the invoice has "
            f"{_named(unprinted)}; install the extra `cjk`: pip install 'invoices[cjk]'"
        )
    invoice: dict[str, Any] = _replaced(asked["invoice"], str.maketrans(dict.fromkeys(lacking, _SUBSTITUTE)))
    fonts = typst.Fonts(include_system_fonts=False, font_paths=_fonts.folders())
    families = [name for name in fonts.families() if name.startswith("Noto ")]
    invoice |= {"fonts": sorted(families, key=_fonts.preference), "is_complete": not lacking}
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


def _named(letters: list[str]) -> str:
    more = len(letters) - 5
    return " ".join(letters[:5]) + (f" and {more} more" if more > 0 else "")


def _replaced(value: Any, table: dict[int, str]) -> Any:
    """The same JSON value, with the characters of its texts replaced."""
    if isinstance(value, str):
        return value.translate(table)
    if isinstance(value, list):
        return [_replaced(item, table) for item in value]
    if isinstance(value, dict):
        return {name: _replaced(item, table) for name, item in value.items()}
    return value
