"""Names of a document as names of Python: whatever stands there, what comes out is an identifier."""

import builtins
import keyword
import re
from collections.abc import Collection

__all__ = ["class_name", "function_name", "kebab", "one_line", "unique"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
_USED_BY_HANDLERS = frozenset({"app", "event", "inbox", "logger", "message", "owed", "receiver", "router"})
_USED_BY_MODELS = frozenset(
    {"Annotated", "Any", "AwareDatetime", "BaseModel", "ConfigDict", "Field", "Literal", "Optional"}
    | {"RootModel", "TypeAliasType", "UUID", "Union"}
    # … and by the handlers beside them:
    | {"APIRouter", "Body", "Cookie", "Depends", "Form", "Header", "Message", "Query", "Response", "Verified"}
)


def function_name(text: str, taken: Collection[str] = (), *, context: str = "") -> str:
    """``onData`` as ``on_data``; what Python has a meaning for gets `context` in front, as ``invoice_id``."""
    name = "_".join(_words(text)) or "value"
    if name in _RESERVED or name in _USED_BY_HANDLERS:
        before = "_".join(_words(context))
        name = f"{before.removesuffix('s')}_{name}" if before else f"{name}_"
    return unique(f"n{name}" if name[0].isdigit() else name, taken)


def class_name(text: str, taken: Collection[str] = ()) -> str:
    """``invoice-event`` as ``InvoiceEvent``; what is a class's name already stays."""
    is_fine = re.fullmatch(r"[A-Z][A-Za-z0-9]*", text)
    name = (
        text
        if is_fine
        else "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text))
    )
    name = f"Model{name}" if not name or name[0].isdigit() else name
    name = f"{name}Model" if name in _USED_BY_MODELS or name in _RESERVED else name
    return unique(name, taken)


def kebab(text: str) -> str:
    """``successUrl`` as ``success-url``, for a path."""
    return "-".join(_words(text)) or "callback"


def unique(name: str, taken: Collection[str]) -> str:
    """The name, or the first of ``name_2``, ``name_3``, … that is free."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def one_line(text: object, most: int = 90) -> str:
    """Words of a document for a docstring or a heading: nothing in them can end either."""
    words = " ".join(re.sub(r"[^\w .,:;!?()/&'+-]", " ", str(text)).split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
