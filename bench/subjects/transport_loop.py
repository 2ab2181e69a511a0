"""Ringback's own transport in a plain loop, with the guard, all limits and the deadline."""

import asyncio

from bench.given import BODY, HEADERS, Given, Run
from bench.subjects.side_by_side import call_side_by_side
from ringback._guard import Guard, NetworkPolicy
from ringback._resolver import SystemResolver
from ringback._transport import Limits, Request, Transport
from ringback._urls import parse_url


async def prepare(given: Given) -> Run:
    guard = Guard(NetworkPolicy.from_settings(["127.0.0.0/8"]), SystemResolver())
    transport = Transport(guard, limits=Limits(idle_per_place=given.concurrency))
    url, headers = parse_url(given.url), tuple(HEADERS.items())

    async def call() -> None:
        answer = await transport.send(Request("POST", url, headers, BODY))
        assert answer.status_code == 200

    async def run() -> int:
        return await call_side_by_side(call, times=given.deliveries, concurrency=given.concurrency)

    await asyncio.gather(*(call() for _ in range(given.concurrency)))
    return run
