"""Deliveries in a test: brought to their end, and looked at."""

import asyncio
from typing import TYPE_CHECKING, Final

from ringback._store import reports
from ringback.testing._clock import Clock

if TYPE_CHECKING:
    from ringback._ringback import Ringback
    from ringback._store.reports import DeliveryReport

__all__ = ["assert_delivered", "drain"]

_MANY: Final = 1_000_000


async def drain(ringback: "Ringback", *, clock: Clock | None = None, timeout: float = 10.0) -> None:
    """Deliver until nothing is due and no attempt runs; a worker must be running.

    With `clock` it goes on to the next due time, and to the one after, until every delivery has ended.
    Raises `TimeoutError` after `timeout` real seconds.
    """
    async with asyncio.timeout(timeout):
        while True:
            await ringback.drain(timeout)
            if clock is None:
                return
            async with ringback.engine.begin() as connection:
                queue = await connection.run_sync(reports.look_at_queue, clock.now)
            if queue.oldest_due_at is None:
                return
            clock.now = max(clock.now, queue.oldest_due_at)


async def assert_delivered(
    ringback: "Ringback",
    *,
    key: str | None = None,
    owner: str | None = None,
    callback: str | None = None,
    times: int = 1,
) -> list["DeliveryReport"]:
    """Assert that exactly `times` deliveries match, and that each arrived and was answered as documented.

    `key` is the one given to `bind` (or `enqueue`), `callback` the declared function's name. Returns their
    reports, the newest first. The error shows how every matching delivery stands.
    """
    async with ringback.transaction() as session:
        found = await ringback.deliveries(session, owner=owner, key=key, limit=_MANY)
    if callback is not None:
        found = [report for report in found if report.callback == callback]
    if len(found) == times and all(report.state == "delivered" and not report.breach for report in found):
        return found
    raise AssertionError("\n".join([f"{times} deliveries as documented were expected, and:", *_lines(found)]))


def _lines(found: list["DeliveryReport"]) -> list[str]:
    return [
        f"  {report.callback or report.channel} to {report.url}: {report.state} after {report.attempts} "
        f"attempts, {report.breach or report.verdict or 'none made yet'}"
        for report in found
    ] or ["  there is no delivery at all; was the transaction committed, and did the target have a URL?"]
