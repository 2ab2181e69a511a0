"""A provider that signs for several owners, on each database."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from testkit.provider import Provider, open_provider

from ringback.testing import LocalReceiver

OpenProvider = Callable[..., AbstractAsyncContextManager[Provider]]


@pytest.fixture
def receiver() -> Iterator[LocalReceiver]:
    with LocalReceiver() as receiver:
        yield receiver


@pytest.fixture(name="open_provider")
def opens(database_url: str, receiver: LocalReceiver) -> OpenProvider:
    """`async with open_provider(secret_key=…) as provider`: its worker runs inside the block."""
    return partial(open_provider, receiver, database=database_url)


@pytest.fixture
async def provider(open_provider: OpenProvider) -> AsyncIterator[Provider]:
    async with open_provider() as provider:
        yield provider
