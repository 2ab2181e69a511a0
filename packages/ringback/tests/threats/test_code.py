"""Threats t06 and t25, held in the source: one way out, and no comparison that tells by its time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

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
    "ringback/testing.py": {"create_connection", "open_connection"},
    "invoices/mail/smtp.py": {"aiosmtplib"},
    "invoices/payments/_http.py": {"httpx", "stripe"},
    "invoices/payments/provider.py": {"httpx", "stripe"},
    "invoices/payments/_stripe_objects.py": {"stripe"},
    "invoices/payments/sandbox/": {"httpx"},
    "invoices/demo/": {"httpx"},
}
"""Where each is used. The mail server and the payment provider are the operator's own settings, the demo
calls itself; only `_dial.py` connects to what strangers name, and to addresses that the guard has judged."""


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
    "invoices/invoices/idempotency.py": {"request_hash"},
    "invoices/invoices/service.py": {"content_hash", "page_token_hash", "_digest"},
    "invoices/invoices/repository.py": {"page_token_hash", "digest"},  # found by its hash, in SQL
}


def compared(tree: ast.Module) -> Iterator[str]:
    """The names of what is compared with ``==`` or ``!=``, unless with a constant such as None."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue
        for side in sides:
            named = side.func if isinstance(side, ast.Call) else side
            name = str(getattr(named, "attr", None) or getattr(named, "id", ""))
            if SECRETS.search(name):
                yield name


def test_t25_secrets_are_compared_in_constant_time() -> None:
    found = {path: set(compared(tree)) - PUBLIC.get(path, set()) for path, tree in modules()}
    assert {path: names for path, names in found.items() if names} == {}
