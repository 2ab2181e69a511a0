"""What the doctor looks at for security's sake: the keys that encrypt secrets, and the TLS library."""

import ssl
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ringback._errors import Blocked, InvalidUrl, RingbackError
from ringback._master_keys import VARIABLE, KeySource, others_may_read
from ringback._owner_guards import OwnerGuards
from ringback._store import reports
from ringback._urls import parse_url
from ringback.cli._findings import Finding, note, ok, problem
from ringback.cli._output import count

if TYPE_CHECKING:
    from ringback._master_keys import MasterKeyFinder
    from ringback._store.keys import KeyStore
    from ringback.cli._database import Open

__all__ = ["master_key", "openssl", "refused_callbacks", "signing_keys"]

_SUBJECT = "master key"
_MOST_URLS = 10_000
_GIVE_ONE = f"For production give one that is kept elsewhere: {VARIABLE}=$(ringback keys new-master)"
# The first line that still gets fixes; Python's own TLS needs 1.1.1.
_OLDEST_OPENSSL = (3, 0)


def openssl(version: tuple[int, ...] = ssl.OPENSSL_VERSION_INFO, name: str = ssl.OPENSSL_VERSION) -> Finding:
    """The library that checks receivers' certificates."""
    if version[:2] < _OLDEST_OPENSSL and name.startswith("OpenSSL"):
        return note(
            "TLS", f"{name} gets no security fixes any more", "Use a Python that is linked with OpenSSL 3."
        )
    return ok("TLS", name)


def master_key(finder: "MasterKeyFinder") -> Finding:
    """Whether signing secrets are encrypted with a key that is kept apart from them. Makes no file."""
    missing = finder.missing_file()
    if missing is not None:
        return note(_SUBJECT, f"the file {missing.absolute()} will be made when it is needed", _GIVE_ONE)
    try:
        source = finder.source
    except RingbackError as error:
        return problem(_SUBJECT, str(error), "Nothing starts like this.")
    return _judge(source)


def signing_keys(connection: Connection, keys: "KeyStore", opened: "Open") -> Finding:
    """Whether every signing secret opens with the master keys at hand, and with the first of them."""
    by_master = keys.masters(connection)
    total = count(sum(by_master.values()), "signing key")
    if not by_master:
        return ok("signing keys", "none yet")
    if opened.master_keys.missing_file() is not None:
        return problem(
            "signing keys",
            f"{total} encrypted with the master key {', '.join(by_master)}, which is not here",
            f"Give it as {VARIABLE}, or name the app that has it.",
        )
    try:
        keys.check(connection)
    except RingbackError as error:
        return problem("signing keys", str(error), "Nothing starts like this.")
    current = opened.master_keys().current
    older = sum(number for master, number in by_master.items() if master != current)
    if older:
        return note(
            "signing keys",
            f"{total}, {older} of them encrypted with an older master key",
            "Run `ringback keys reencrypt`; then the older one can be given up.",
        )
    return ok("signing keys", f"{total}, all encrypted with the master key {current}")


def refused_callbacks(connection: Connection, guards: OwnerGuards) -> Finding:
    """Whether callbacks that wait go to URLs that their owners may not call now; names are not asked for."""
    refused: dict[str, str] = {}
    for owner, url in reports.list_open_urls(connection, limit=_MOST_URLS):
        try:
            guards.of(owner).policy.check_url(parse_url(url))
        except (Blocked, InvalidUrl) as error:
            refused[url] = str(error)
    if not refused:
        return ok("callbacks", "none that waits goes where the network policy forbids")
    first, why = next(iter(refused.items()))
    return note(
        "callbacks",
        f"{count(len(refused), 'URL')} that callbacks wait for may not be called any more, such as "
        f"{first.partition('?')[0]}: {why}",
        "Their attempts fail as blocked. Allow the network, or cancel them: ringback deliveries cancel",
    )


def _judge(source: KeySource) -> Finding:
    text = f"{source.keys.current}, from {source.place}"
    if len(source.keys.ids) > 1:
        text += f"; older ones still decrypt: {', '.join(source.keys.ids[1:])}"
    if source.kind == "development":
        return problem(_SUBJECT, f"{text}: the development key, which everybody knows", _GIVE_ONE)
    if source.path is not None and others_may_read(source.path):
        remedy = f"Let nobody else read it: chmod 600 {source.path.absolute()}"
        return problem(_SUBJECT, f"{text}, which other users of this machine may read", remedy)
    if source.kind == "file":
        return note(_SUBJECT, f"{text}: whoever copies the file with the database can sign", _GIVE_ONE)
    return ok(_SUBJECT, text)
