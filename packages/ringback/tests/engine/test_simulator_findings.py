"""What the simulator has found once, each told without it."""

from sqlite3 import OperationalError as SqliteError
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ringback.testing import LocalReceiver, assert_delivered


async def test_secrets_are_read_again_when_the_transaction_that_read_them_fails(
    open_shop: Any, receiver: LocalReceiver
) -> None:
    """The worker took them for known, and had nothing to sign with at the next attempts."""
    failures: list[str] = []

    def fail_once(_connection: Any, _cursor: Any, words: str, *_: Any) -> None:
        if "ringback_keys.sealed" in words and not failures:
            failures.append(words)
            raise OperationalError("(simulated)", None, SqliteError("disk I/O error"))

    async with open_shop() as shop:
        event.listen(shop.ringback.engine.sync_engine, "before_cursor_execute", fail_once)
        await shop.owe("a", receiver.url)
        await shop.drain()
        [report] = await assert_delivered(shop.ringback)
    assert len(failures) == 1
    assert report.attempts == 1
