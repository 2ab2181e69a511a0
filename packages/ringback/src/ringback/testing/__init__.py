"""For the tests of an app: a clock moved by hand, a real receiver on this machine, and what was delivered.

    clock = Clock()
    ringback = Ringback(app, database=..., allow_networks=["127.0.0.0/8"], now=clock)

    with LocalReceiver("500", "ok") as receiver:
        ...                                          # bind receiver.url, send, commit
        await drain(ringback, clock=clock)           # the whole retry schedule, in no time
        [report] = await assert_delivered(ringback, key="2expen51ve")
        assert len(receiver.requests) == 2

Requests are real requests over real sockets, made by the worker that also works in production. In a test that
is not async, with FastAPI's ``TestClient`` in a ``with`` block: ``client.portal.call(drain, ringback)``.

Installed beside pytest, it gives every test the fixtures ``ringback_clock``, ``ringback_receiver`` and
``ringback_receivers``; nothing of it is loaded before a test asks for one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringback.testing._clock import Clock
    from ringback.testing._deliveries import assert_delivered, drain
    from ringback.testing._receiver import LocalReceiver, Received

__all__ = ["Clock", "LocalReceiver", "Received", "assert_delivered", "drain"]

_HOMES = {
    "Clock": "_clock",
    "LocalReceiver": "_receiver",
    "Received": "_receiver",
    "assert_delivered": "_deliveries",
    "drain": "_deliveries",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ringback.testing' has no attribute {name!r}")
    value = getattr(import_module(f"ringback.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
