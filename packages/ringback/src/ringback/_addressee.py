"""Which contract and which target a `send` means, and what to say where that is not clear."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ringback._contract import Contract, Contracts
from ringback._errors import RingbackError, UnknownTarget

__all__ = ["contract_meant", "declared_by", "not_bound", "not_bound_for"]


def contract_meant(contracts: Contracts, callback: Callable[..., Any], operation: str | None) -> Contract:
    """The one contract of a declared function, of one operation if it is named; raises `RingbackError`."""
    # A decorator above the router's leaves another function under the name, which knows what it wraps.
    declared = contracts.of_function(callback) or contracts.of_function(inspect.unwrap(callback))
    found = [contract for contract in declared if operation in (None, contract.operation)]
    if len(found) == 1:
        return found[0]
    name = getattr(callback, "__qualname__", repr(callback))
    if not declared:
        raise RingbackError(
            f"{name} is not a declared callback. Decorate it on a callback router and pass that router's "
            "routes to the operation: @app.post(..., callbacks=router.routes). If it is decorated, that came "
            "too late: FastAPI copies the list at callbacks=..., so the callback has to stand above the "
            "operation."
        )
    known = _listed(contract.operation for contract in declared)
    if not found:
        raise RingbackError(f"Operation {operation!r} does not declare {name}; these do: {known}.")
    raise RingbackError(
        f"{name} is declared by several operations ({known}). Name the one that was bound: "
        "ringback.to(session, key=..., operation=...)."
    )


def declared_by(contracts: Contracts, operation: str) -> Mapping[str, Contract]:
    """The callbacks of an operation by name; raises `RingbackError` where it has none."""
    declared = contracts.of_operation(operation)
    if not declared:
        raise RingbackError(
            f"Operation {operation!r} declares no callbacks, so there is nothing to bind. Pass the callback "
            "router's routes to it, @app.post(..., callbacks=router.routes), or name one that declares some: "
            f"{_listed(contract.operation for contract in contracts) or 'none does'}."
        )
    return declared


def not_bound(
    contract: Contract, key: str, owner: str, elsewhere: Mapping[str, Iterable[str]]
) -> UnknownTarget:
    """The error where a key has no target; `elsewhere` are the operations that have it, with callbacks."""
    if elsewhere:
        known = "; ".join(f"{name} ({_listed(of)})" for name, of in sorted(elsewhere.items()))
        return UnknownTarget(
            f"{key!r} is not bound under {contract.operation!r}, the operation that declares "
            f"{contract.callback!r}, but under: {known}. Send a callback of that operation, or declare "
            f"{contract.callback!r} there too."
        )
    return UnknownTarget(
        f"Nothing was bound under key {key!r} (owner {owner!r}, operation {contract.operation!r}). "
        "Call callbacks.bind(session, key=...) where the request is handled, before sending."
    )


def not_bound_for(contract: Contract, key: str, bound: Iterable[str]) -> UnknownTarget:
    """The error where a target is older than the declaration of a callback."""
    return UnknownTarget(
        f"{key!r} was bound before {contract.operation!r} declared {contract.callback!r} (what it declared "
        f"then: {_listed(bound)}), so nobody said where to send it. Bind the key again with the URL that "
        "the request gave; what is bound already stays."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))
