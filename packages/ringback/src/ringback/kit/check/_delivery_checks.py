"""Checks of delivery: events come twice, at once, late, and slowly."""

import asyncio
from collections.abc import Iterator

from ringback._message import Request
from ringback.kit.check._checks import Check
from ringback.kit.check._judging import accepted
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Flaw, Sent, Severity
from ringback.kit.check._slowly import SlowSender

__all__ = ["delivery_checks"]

_MUST, _SHOULD = Severity.MUST, Severity.SHOULD
_TWINS, _CROWD, _SLOW = 4, 12, 3
_PAUSE = 0.3


def delivery_checks(provider: Provider) -> Iterator[Check]:
    """What retries, several workers and bad networks do to a receiver."""
    yield Check(
        "delivery.again",
        "A delivery that comes again is answered as documented again",
        _MUST,
        _again,
    )
    yield Check(
        "delivery.twins", "A delivery that comes several times at once is answered each time", _SHOULD, _twins
    )
    yield Check("delivery.order", "An older event after a newer one is taken", _MUST, _out_of_order)
    yield Check("delivery.crowd", f"{_CROWD} events at once are all taken", _SHOULD, _crowd)
    yield Check(
        "delivery.connection", "Several events on one connection are all taken", _MUST, _one_connection
    )
    yield Check("slow.answer", "An answer that is read late is still there", _SHOULD, _read_late)
    if provider.good.body:
        yield Check("slow.request", "An event that arrives in pieces is taken", _SHOULD, _in_pieces)
        yield Check("slow.others", "Who sends slowly keeps nobody else waiting", _SHOULD, _beside_slow_ones)
        title = "Who breaks off in the middle of an event breaks nothing else"
        yield Check("slow.broken-off", title, _MUST, _after_one_broke_off)


async def _again(provider: Provider) -> list[Flaw]:
    first = provider.request(age=5)
    again = provider.request(message_id=_id_of(first))
    sent = [await provider.send(request) for request in (first, again, again)]
    return [flaw for one in sent for flaw in accepted(provider, one, _MUST)]


async def _twins(provider: Provider) -> list[Flaw]:
    request = provider.request()
    return _all_accepted(provider, await provider.send_all([request] * _TWINS))


async def _out_of_order(provider: Provider) -> list[Flaw]:
    sent = [await provider.send(provider.request(age=age)) for age in (0, 60)]
    return [flaw for one in sent for flaw in accepted(provider, one, _MUST)]


async def _crowd(provider: Provider) -> list[Flaw]:
    return _all_accepted(provider, await provider.send_all([provider.request() for _ in range(_CROWD)]))


async def _one_connection(provider: Provider) -> list[Flaw]:
    sent = [await provider.send(provider.request(), connection="kept") for _ in range(3)]
    return [flaw for one in sent for flaw in accepted(provider, one, _MUST)]


async def _in_pieces(provider: Provider) -> list[Flaw]:
    async with SlowSender(provider, provider.request()) as sender:
        await sender.send_half()
        await asyncio.sleep(_PAUSE)
        return accepted(provider, await sender.finish(), _SHOULD)


async def _read_late(provider: Provider) -> list[Flaw]:
    async with SlowSender(provider, provider.request()) as sender:
        await sender.send_half()
        return accepted(provider, await sender.finish(wait=_PAUSE), _SHOULD)


async def _beside_slow_ones(provider: Provider) -> list[Flaw]:
    slow = [SlowSender(provider, provider.request()) for _ in range(_SLOW)]
    async with slow[0], slow[1], slow[2]:
        for sender in slow:
            await sender.send_half()
        await asyncio.sleep(_PAUSE)
        sent = await provider.send(provider.request())
        for sender in slow:
            await sender.finish()
    return accepted(provider, sent, _SHOULD)


async def _after_one_broke_off(provider: Provider) -> list[Flaw]:
    async with SlowSender(provider, provider.request()) as sender:
        await sender.send_half()
        await asyncio.sleep(_PAUSE / 2)
    await asyncio.sleep(_PAUSE)  # time to stumble over it
    return accepted(provider, await provider.send(provider.request()), _MUST)


def _all_accepted(provider: Provider, sent: list[Sent]) -> list[Flaw]:
    """The first flaw alone: the others would say the same."""
    flaws = [flaw for one in sent for flaw in accepted(provider, one, _SHOULD)]
    failed = sum(bool(accepted(provider, one, _SHOULD)) for one in sent)
    if not flaws:
        return []
    first = flaws[0]
    return [Flaw(first.severity, f"{failed} of {len(sent)} at once failed. {first.reason}", first.sent)]


def _id_of(request: Request) -> str:
    return dict(request.headers)["webhook-id"]
