"""Request bodies: how deep they nest is told in linear time, whatever they hold."""

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from testkit.serving import served

from invoices.limits import BodyLimits, nesting

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(JSON, st.booleans())
def test_nesting_is_counted_as_a_parser_would(value: Any, ascii_only: bool) -> None:
    assert nesting(json.dumps(value, ensure_ascii=ascii_only).encode()) == depth(value)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 250_000,
        b'{"a":' * 50_000,
        b'"' + b'\\"' * 125_000,
        b'"' * 250_001,
        b"\\" * 250_000,
        b'"\\' * 100_000,
        bytes(range(256)) * 1000,
    ],
)
def test_counting_takes_linear_time_also_for_what_is_no_json(body: bytes) -> None:
    begun = time.process_time()
    nesting(body)
    assert time.process_time() - begun < 1.0


def test_brackets_in_strings_do_not_nest() -> None:
    assert nesting(b'{"a": "[[[[{{{{", "b": "\\"[", "c": []}') == 2


async def _exchange(url: str, head: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_body_that_never_ends_gets_its_answer_and_its_end() -> None:
    limited = BodyLimits(Starlette(), body_seconds=0.2)
    async with served(limited) as url:
        answer = await _exchange(url, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()


async def test_a_body_announced_as_endless_is_not_waited_for() -> None:
    async with served(BodyLimits(Starlette())) as url:
        answer = await _exchange(
            url, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 413 ")
