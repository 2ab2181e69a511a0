"""The outbox: bind a target and store what is owed to it, in the caller's own transaction."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ringback._addressee import contract_meant, declared_by, not_bound, not_bound_for
from ringback._archive import Archive
from ringback._channels import HTTP, Channel
from ringback._contract import Contract, Contracts
from ringback._errors import Blocked, ContractBreach, RingbackError, TargetConflict, UnusableValue
from ringback._openapi.payload import Payload
from ringback._owner_guards import OwnerGuards
from ringback._signing import new_message_id
from ringback._store.targets import StoredTarget, TargetStore
from ringback._tracing import with_parent
from ringback._types import Delivery, Exchange, Target
from ringback._urls import IPAddress, Url, parse_url

_MAX_BODY = 256_000
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Options:
    """How one delivery differs from the usual.

    With `idempotency_key` a second `send` under the same key stores nothing and gives the first delivery.
    `delay` (seconds) holds the first attempt back. `ordered` False lets it overtake others of its target.
    """

    idempotency_key: str | None = None
    delay: float = 0.0
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class BoundUrl:
    """Where one callback goes: the URL (None for nobody), the base as it was given, the contract's hash."""

    url: Url | None
    endpoint: str | None
    contract: str

    def row(self) -> dict[str, str | None]:
        """The same as the target keeps it."""
        return {
            "url": None if self.url is None else str(self.url),
            "endpoint": self.endpoint,
            "contract": self.contract,
        }


class Outbox:
    """Adds rows to a transaction that it neither begins nor ends."""

    def __init__(
        self,
        targets: TargetStore,
        archive: Archive,
        contracts: Callable[[], Contracts],
        guards: OwnerGuards,
    ) -> None:
        self._targets = targets
        self._archive = archive
        self._contracts = contracts
        self._guards = guards

    def resolve(self, operation: str, exchange: Exchange) -> dict[str, BoundUrl]:
        """Where each callback of an operation goes, by the expressions of its key.

        Raises `UnusableValue` or `Blocked` where the exchange names what cannot or must not be called.
        """
        resolved: dict[str, BoundUrl] = {}
        for name, contract in declared_by(self._contracts(), operation).items():
            base = contract.template.base_url(exchange)
            url = None if base is None else contract.template.extend(base, exchange)
            if url is not None:
                self._check(url, contract)
            resolved[name] = BoundUrl(url, None if base is None else str(base), contract.fingerprint)
        return resolved

    def _check(self, url: Url, contract: Contract) -> None:
        try:
            self._guards.check_for_anybody(url)
        except Blocked as error:
            raise Blocked(error.reason, str(contract.template.base)) from None

    def bind(
        self,
        connection: Connection,
        resolved: Mapping[str, BoundUrl],
        *,
        operation: str,
        key: str,
        owner: str,
        replace: bool = False,
        looked_up: Mapping[str, Sequence[IPAddress]] | None = None,
    ) -> Target:
        """Store what `resolve` gave under the caller's key; raises `Blocked` where the owner may not call.

        `looked_up` are the addresses of hosts whose names were asked for and not judged yet.
        """
        key, owner = _name("key", key), _name("owner", owner)
        self._check_for_owner(owner, operation, resolved, looked_up or {})
        self._archive.keep_in(connection, self._contracts().of_operation(operation).values())
        rows = {name: bound.row() for name, bound in resolved.items()}
        id_ = self._targets.add(connection, owner, operation, key, rows)
        if id_ is None:
            stored = self._targets.find(connection, owner, operation, key)
            assert stored is not None, "a target is never deleted while its key is taken"
            id_, rows = stored.id, self._rebind(connection, stored, rows, key, replace)
        return Target(id_, owner, operation, key, {name: row["url"] for name, row in rows.items()})

    def _check_for_owner(
        self,
        owner: str,
        operation: str,
        resolved: Mapping[str, BoundUrl],
        looked_up: Mapping[str, Sequence[IPAddress]],
    ) -> None:
        contracts = self._contracts().of_operation(operation)
        for name, bound in resolved.items():
            try:
                if bound.url is not None:
                    self._guards.check(owner, bound.url, looked_up.get(bound.url.host, ()))
            except Blocked as error:
                raise Blocked(error.reason, str(contracts[name].template.base)) from None

    def _rebind(
        self,
        connection: Connection,
        stored: StoredTarget,
        rows: dict[str, dict[str, str | None]],
        key: str,
        replace: bool,
    ) -> dict[str, dict[str, str | None]]:
        """What the target holds from now on: all that is new with `replace`, else new callbacks only."""
        both = rows.keys() & stored.urls.keys()
        before = {name: stored.urls[name]["url"] for name in sorted(both)}
        after = {name: rows[name]["url"] for name in sorted(both)}
        if before != after and not replace:
            raise TargetConflict(
                f"{key!r} is bound to {before} already, and this request says {after}. "
                "Pass replace=True to bind(...) if the new URL shall be called from now on."
            )
        merged = rows if replace else rows | stored.urls
        if merged != stored.urls:
            self._targets.replace(connection, stored.id, merged)
        return merged

    def send(
        self,
        connection: Connection,
        callback: Callable[..., Any],
        arguments: tuple[tuple[Any, ...], Mapping[str, Any]],
        *,
        key: str,
        owner: str,
        operation: str | None,
        options: Options,
    ) -> Delivery | None:
        """Store one callback for the target of `key`; None when that target has no URL for it."""
        key, owner = _name("key", key), _name("owner", owner)
        contract = contract_meant(self._contracts(), callback, operation)
        payload = contract.dump(*arguments[0], **arguments[1])
        _check_size(contract, payload.body)
        look_up = self._targets.take_sequence if options.ordered else self._targets.find
        target = look_up(connection, owner, contract.operation, key)
        if target is None:
            elsewhere = self._targets.operations_of(connection, owner, key)
            raise not_bound(contract, key, owner, elsewhere)
        row = target.urls.get(contract.callback)
        if row is None:
            raise not_bound_for(contract, key, target.urls)
        if row["url"] is None:
            return None
        promised, note = self._promised(connection, row["contract"], contract, payload)
        url = contract.address(parse_url(row["url"]), payload)
        return self._add(
            connection,
            {
                "message_id": new_message_id(url.path),
                "channel": HTTP,
                "owner": owner,
                "destination": f"{url.scheme}://{url.host}:{url.port} {owner}",
                "endpoint": row["endpoint"] or url.origin,
                "target_id": target.id,
                "sequence": target.sequence,
                "operation": contract.operation,
                "callback": contract.callback,
                "contract": promised,
                "note": note,
                "method": contract.method,
                "url": str(url),
                "headers": with_parent([list(pair) for pair in payload.headers]),
                "body": payload.body,
                "idempotency_key": options.idempotency_key,
                "delay": options.delay,
            },
        )

    def _promised(
        self, connection: Connection, bound: str | None, contract: Contract, payload: Payload
    ) -> tuple[str, str | None]:
        """The fingerprint of what the receiver was promised, and what to note where that was another day's.

        Raises `ContractBreach` where the payload would break the promise.
        """
        if bound is None or bound == contract.fingerprint:
            return contract.fingerprint, None
        earlier = self._archive.find(connection, bound)
        if earlier is None:
            return contract.fingerprint, "what was promised when the target was bound is not known any more"
        if refusal := earlier.refuses(contract, payload):
            raise ContractBreach(refusal)
        return bound, earlier.note(contract)

    def enqueue(
        self,
        connection: Connection,
        channel: Channel,
        payload: Any,
        *,
        to: str,
        key: str | None,
        owner: str,
        delay: float,
    ) -> Delivery:
        """Store one delivery of the app's own channel; `payload` is any JSON value."""
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        return self._add(
            connection,
            {
                "message_id": new_message_id(f"{channel.name}:{to}"),
                "channel": channel.name,
                "owner": _name("owner", owner),
                "destination": f"{channel.name} {owner}",
                "endpoint": f"{channel.name}:{to}",
                "target_id": None,
                "sequence": None,
                "operation": None,
                "callback": None,
                "contract": None,
                "method": "",
                "url": to,
                "headers": with_parent([]),
                "body": body,
                "idempotency_key": None if key is None else _name("key", key),
                "delay": delay,
            },
        )

    def _add(self, connection: Connection, values: dict[str, Any]) -> Delivery:
        message_id = values["message_id"]
        if self._targets.add_delivery(connection, values) is None:
            message_id = self._targets.existing_message_id(connection, values)
        return Delivery(
            id=message_id,
            channel=values["channel"],
            owner=values["owner"],
            destination=values["url"],
            body=values["body"],
            key=values["idempotency_key"],
        )


def _check_size(contract: Contract, body: bytes) -> None:
    if len(body) > _MAX_BODY:
        raise RingbackError(
            f"The payload of {contract.callback!r} has {len(body):,} bytes, and a callback may have "
            f"{_MAX_BODY:,}. Send a link or an id instead."
        )


def _name(what: str, value: str) -> str:
    text = str(value)
    # The owner may be empty: an app with one owner names none.
    # Half of a surrogate pair can stand in JSON, and in no database.
    whole = text.isascii() or text.encode(errors="ignore").decode() == text
    if (what == "key" and not text) or len(text) > _MAX_NAME or "\x00" in text or not whole:
        raise UnusableValue(what, f"{text[:40]!a} must have 1 to {_MAX_NAME} characters and no NUL")
    return text
