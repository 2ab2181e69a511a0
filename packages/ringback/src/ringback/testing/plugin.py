"""The pytest plugin: a clock that is moved by hand, and receivers, as fixtures.

pytest finds it where Ringback is installed. It loads nothing until a test asks for a fixture.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ringback.testing._clock import Clock
    from ringback.testing._receiver import LocalReceiver

__all__ = ["ringback_clock", "ringback_receiver", "ringback_receivers"]


@pytest.fixture
def ringback_clock() -> "Clock":
    """A clock that stands until it is moved: for ``Ringback(now=ringback_clock)``."""
    from ringback.testing import Clock

    return Clock()


@pytest.fixture
def ringback_receiver(ringback_receivers: "Callable[..., LocalReceiver]") -> "LocalReceiver":
    """A receiver on this machine that answers ``{"ok": true}`` until told to ``behave(...)`` otherwise."""
    return ringback_receivers()


@pytest.fixture
def ringback_receivers() -> "Iterator[Callable[..., LocalReceiver]]":
    """Starts receivers, with the arguments of `LocalReceiver`; they are closed after the test."""
    from ringback.testing import LocalReceiver

    with ExitStack() as open_ones:

        def start(*behaviours: str, **settings: Any) -> LocalReceiver:
            return open_ones.enter_context(LocalReceiver(*behaviours, **settings))

        yield start
