"""The whole service for the tests of its pages."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testkit.shop import Shop, open_shop


@pytest.fixture
async def shop(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """The whole service, on SQLite."""
    async with open_shop(sqlite_url, tmp_path / "data") as shop:
        yield shop
