"""Threats t06 and t25, held in the source: one way out, and no comparison that tells by its time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ringback

LIBRARY = Path(ringback.__file__).parent
SERVICE = LIBRARY.parents[2] / "invoices" / "src" / "invoices"

CLIENTS = {
    "aiohttp", "aiosmtplib", "ftplib", "http.client", "httpcore", "httpx", "imaplib", "poplib", "requests",
    "smtplib", "stripe", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc.client",
}  # fmt: skip
OPENING = {"create_connection", "open_connection", "open_unix_connection", "sock_connect", "connect_ex"}

MAY_USE = {
    "ringback/_dial.py": {"create_connection", "sock_connect"},
    "ringback/kit/check/_slowly.py": {"open_connection"},
    "invoices/mail/smtp.py": {"aiosmtplib"},
    "invoices/payments/_http.py": {"httpx", "stripe"},
    "invoices/payments/provider.py": {"httpx", "stripe"},
    "invoices/payments/_stripe_objects.py": {"stripe"},
    "invoices/payments/sandbox/": {"httpx"},
    "invoices/demo/": {"httpx"},
}
"""Where each is used. The mail server and the payment provider are the operator's own settings, the demo
calls itself, the developer's tools call the receiver that the developer names; only `_dial.py` connects to
what strangers name, and to addresses that the guard has judged."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in (LIBRARY, SERVICE):
        for path in sorted(package.rglob("*.py")):
            yield path.relative_to(package.parent).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def used(tree: ast.Module) -> Iterator[str]:
    """Clients that a module imports, and calls that open connections."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OPENING
        ):
            yield node.func.attr
        for name in names:
            yield from (client for client in CLIENTS if name == client or name.startswith(f"{client}."))


def test_t06_what_strangers_name_is_connected_to_in_one_place() -> None:
    found = {}
    for path, tree in modules():
        allowed = {name for place, names in MAY_USE.items() if path.startswith(place) for name in names}
        if beyond := set(used(tree)) - allowed:
            found[path] = beyond
    assert found == {}


SECRETS = re.compile(r"(^|_)(secrets?|signatures?|tokens?|digests?|macs?|password|api_key|hash)$")
PUBLIC = {
    # what is compared is no secret, or whoever compares is who made it
    "ringback/_signing.py": {"signature"},
    "ringback/_openapi/references.py": {"token"},  # a step of a JSON pointer, as in the two that follow
    "ringback/_rules/pointers.py": {"token"},
    "ringback/kit/_declared.py": {"token"},
    "ringback/kit/check/_judging.py": {"secret", "signature"},  # the developer's own, on the same machine
    "ringback/kit/listen/_signatures.py": {"secret"},
    "invoices/invoices/idempotency.py": {"request_hash"},
    "invoices/invoices/service.py": {"content_hash", "page_token_hash", "_digest"},
    "invoices/invoices/repository.py": {"page_token_hash", "digest"},  # found by its hash, in SQL
    "invoices/invoices/links.py": {"page_token_hash", "digest"},  # both are ours; which key made it?
}
TELLING = ast.Eq | ast.NotEq | ast.In | ast.NotIn
READING = {"decode", "encode", "get_secret_value", "hex", "hexdigest", "digest", "lower", "strip"}
"""Methods whose result tells as much as what they are called on."""


def compared(tree: ast.Module) -> Iterator[str]:
    """The names of secrets that are compared with ``==``, ``in`` or by their beginnings and ends.

    Comparisons with a constant such as None are left out, and constant keys looked up in a mapping.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
                if isinstance(operator, TELLING) and not {type(left), type(right)} & {ast.Constant}:
                    yield from filter(SECRETS.search, (named(left), named(right)))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            texts = [argument for argument in node.args if not isinstance(argument, ast.Constant)]
            if node.func.attr in ("startswith", "endswith") and texts:
                yield from filter(SECRETS.search, (named(node.func.value), *map(named, texts)))


def named(side: ast.expr) -> str:
    """What a value is called, looked at through calls and methods that only read it."""
    if isinstance(side, ast.Call):
        return named(side.func)
    if isinstance(side, ast.Attribute) and side.attr in READING and not isinstance(side.value, ast.Name):
        return named(side.value)
    if isinstance(side, ast.Attribute) and side.attr in READING:
        return side.value.id if SECRETS.search(side.value.id) else side.attr  # type: ignore[attr-defined]
    if isinstance(side, ast.Subscript):
        return named(side.value)
    return str(getattr(side, "attr", None) or getattr(side, "id", ""))


def test_t25_secrets_are_compared_in_constant_time() -> None:
    found = {path: set(compared(tree)) - PUBLIC.get(path, set()) for path, tree in modules()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("given == self.secret", ["secret"]),
        ("1 < a == api_key", ["api_key"]),
        ("settings.console_secret.get_secret_value() != given", ["console_secret"]),
        ("token.encode() in known", ["token"]),
        ("signature.startswith(given)", ["signature"]),
        ("signatures[0] == signatures[1]", ["signatures", "signatures"]),
        ("hashlib.sha256(x).hexdigest() == stored_hash", ["stored_hash"]),
        ("hmac.compare_digest(token, given)", []),
        ("token == ''", []),
        ("signature.startswith('v1,')", []),
        ("a == b", []),
    ],
)
def test_the_search_for_comparisons_is_awake(code: str, names: list[str]) -> None:
    assert list(compared(ast.parse(code))) == names
