"""Ringback delivers the callbacks that a FastAPI app declares.

The names are loaded when they are first used, so that a receiver who only imports `ringback.receiver`
needs neither a database nor a worker.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringback._channels import Channel
    from ringback._errors import (
        Blocked,
        ContractBreach,
        ContractError,
        InvalidExpression,
        InvalidUrl,
        MigrationNeeded,
        NothingDelivers,
        RingbackError,
        TargetConflict,
        UnknownTarget,
        UnusableValue,
        WrongDatabase,
    )
    from ringback._guard import NetworkPolicy
    from ringback._master_keys import key_file
    from ringback._operators_side import Replayed
    from ringback._ringback import Ringback
    from ringback._schedule import RetrySchedule
    from ringback._store.browsing import EndpointReport
    from ringback._store.filters import Filter
    from ringback._store.finding import Leaf
    from ringback._store.reports import DeliveryReport, KeyReport
    from ringback._types import Delivery, Exchange, Outcome, State, Target
    from ringback.fastapi import Callbacks

__all__ = [
    "Blocked",
    "Callbacks",
    "Channel",
    "ContractBreach",
    "ContractError",
    "Delivery",
    "DeliveryReport",
    "EndpointReport",
    "Exchange",
    "Filter",
    "InvalidExpression",
    "InvalidUrl",
    "KeyReport",
    "Leaf",
    "MigrationNeeded",
    "NetworkPolicy",
    "NothingDelivers",
    "Outcome",
    "Replayed",
    "RetrySchedule",
    "Ringback",
    "RingbackError",
    "State",
    "Target",
    "TargetConflict",
    "UnknownTarget",
    "UnusableValue",
    "WrongDatabase",
    "key_file",
]

_HOMES = {
    "Callbacks": "fastapi",
    "Channel": "_channels",
    "Delivery": "_types",
    "DeliveryReport": "_store.reports",
    "EndpointReport": "_store.browsing",
    "Exchange": "_types",
    "Filter": "_store.filters",
    "KeyReport": "_store.reports",
    "Leaf": "_store.finding",
    "NetworkPolicy": "_guard",
    "Outcome": "_types",
    "Replayed": "_operators_side",
    "RetrySchedule": "_schedule",
    "Ringback": "_ringback",
    "State": "_types",
    "Target": "_types",
    "key_file": "_master_keys",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ringback' has no attribute {name!r}")
    value = getattr(import_module(f"ringback.{_HOMES.get(name, '_errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
