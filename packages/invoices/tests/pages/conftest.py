"""The whole service for the tests of its pages."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from testkit.shop import Shop, open_shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_for_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The whole service, on SQLite, once for a module; each test has its own invoices."""
    folder = tmp_path_factory.mktemp("shop")
    async with open_shop(f"sqlite+aiosqlite:///{folder / 'test.db'}", folder) as shop:
        yield shop


@pytest.fixture
def shop(open_for_all: Shop) -> Iterator[Shop]:
    """The service without trouble at its front door."""
    yield open_for_all
    open_for_all.front.trouble = None
