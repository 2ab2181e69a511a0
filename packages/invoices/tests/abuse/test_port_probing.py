"""Whoever may name URLs learns nothing about other people's ports, and cannot flood a host (t08, t09)."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from testkit.serving import served

from invoices.invoices import service as invoices
from invoices.invoices.standing import Collected, lock, stand
from ringback import Ringback

ENDED = "SELECT count(*) FROM ringback_attempts a JOIN ringback_messages m ON m.id = a.delivery_id "
ENDED += "WHERE m.channel <> 'mail' AND a.outcome IS NOT NULL"

VERDICTS = "SELECT verdict FROM ringback_deliveries JOIN ringback_messages USING (id) WHERE channel <> 'mail'"


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.02)


async def ended(service: Any) -> int:
    async with service.app.state.engine.connect() as connection:
        return int(await connection.scalar(text(ENDED)))


async def pay(service: Any, invoice_id: str) -> None:
    async with service.app.state.sessions.begin() as session:
        invoice = await invoices.get(session, "default", invoice_id)
        await lock(session, invoice)
        money = Collected(collected=invoice.total_minor, since=datetime.now(UTC))
        await stand(session, service.app.state.ringback, invoice, money)


@contextmanager
def hanging_up(address: str) -> Iterator[str]:
    """An open port behind which nobody speaks HTTP."""
    with socket.create_server((address, 0)) as listener:

        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
            writer.close()

        task = asyncio.ensure_future(asyncio.start_server(greet, sock=listener))
        yield f"{address}:{listener.getsockname()[1]}"
        task.result().close()


@contextmanager
def filtered(address: str) -> Iterator[str]:
    """A port whose packets vanish: the queue of its listener is full, so that the kernel drops what comes."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"{address}:{listener.getsockname()[1]}"


@contextmanager
def closed(address: str) -> Iterator[str]:
    """A port that refuses."""
    with socket.socket() as unused:
        unused.bind((address, 0))
        yield f"{address}:{unused.getsockname()[1]}"


async def test_t08_open_closed_filtered_and_blocked_ports_look_alike(
    start_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoices.app.Ringback", partial(Ringback, attempt_timeout=1.0))
    with (
        hanging_up("127.0.1.1") as a,
        filtered("127.0.1.2") as b,
        closed("127.0.1.3") as c,
        closed("127.9.9.9") as d,
    ):
        targets = {"open": a, "filtered": b, "closed": c, "blocked": d}
        async with start_service(callback_allow_networks=["127.0.0.0/8"]) as service:
            for name, target in targets.items():
                invoice = {"id": name, "customer": "C", "total": 1}
                sent = await service.send(invoice, callback_url=f"http://{target}/events")
                assert sent.status_code == 200, sent.text
                await pay(service, name)
        async with start_service(worker="embedded", callback_allow_networks=["127.0.0.0/16"]) as service:
            await until(lambda: three_of(service))
            under_way = {name: await seen(service, name) for name in targets}
            await until(lambda: four_of(service))
            afterwards = {name: await seen(service, name) for name in targets}
            async with service.app.state.engine.connect() as connection:
                rows = await connection.execute(text(VERDICTS))
                assert len({row.verdict for row in rows}) == 4  # operators are told
    same = {"state": "pending", "status_code": None, "verdict": "no usable answer so far"}
    for delivery in (*under_way.values(), *afterwards.values()):
        assert {name: delivery[name] for name in same} == same
        due = datetime.fromisoformat(delivery["next_attempt_at"])
        assert (due.second, due.microsecond) == (0, 0)
        assert due <= datetime.now(UTC) + timedelta(minutes=2)
        assert delivery["finished_at"] is None
        assert delivery["attempts"] >= 1


async def three_of(service: Any) -> bool:
    return await ended(service) >= 3


async def four_of(service: Any) -> bool:
    return await ended(service) >= 4


async def seen(service: Any, invoice_id: str) -> dict[str, Any]:
    answer = await service.client.get(f"/invoices/{invoice_id}")
    assert "127.0.1" not in answer.text.replace(answer.json()["deliveries"][0]["url"], "").replace(
        answer.json()["callback_url"], ""
    )
    (delivery,) = answer.json()["deliveries"]
    return dict(delivery)


async def test_a_receivers_own_answer_is_told_without_its_body(start_service: Any) -> None:
    app = FastAPI()
    answers = {"right": {"ok": True}, "wrong": {"ok": "s3cret of the receiver"}}

    @app.post("/{name}/invoices/{invoice_id}")
    async def receive(name: str, invoice_id: str) -> Any:
        return answers[name]

    async with (
        served(app) as url,
        start_service(worker="embedded", callback_allow_networks=["127.0.0.0/8"]) as service,
    ):
        for name in (*answers, "nowhere/at/all"):
            invoice_id = name.partition("/")[0]
            invoice = {"id": invoice_id, "customer": "C", "total": 1}
            await service.send(invoice, callback_url=f"{url}/{name}")
            await pay(service, invoice_id)
        await until(lambda: three_of(service))
        told = {name: await seen_answer(service, name) for name in ("right", "wrong", "nowhere")}
    assert told["right"] == ("delivered", 200, "answered 200 as documented")
    assert told["wrong"] == ("delivered", 200, "answered 200, not as documented: $.ok")
    assert told["nowhere"] == ("pending", 404, "answered 404: no receiver at this path")


async def seen_answer(service: Any, invoice_id: str) -> tuple[str, int, str]:
    answer = await service.client.get(f"/invoices/{invoice_id}")
    assert "s3cret" not in answer.text
    (delivery,) = answer.json()["deliveries"]
    return delivery["state"], delivery["status_code"], delivery["verdict"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t09_many_invoices_reach_one_host_at_the_set_rate_only(start_service: Any) -> None:
    app = FastAPI()
    arrived: list[float] = []

    @app.post("/invoices/{invoice_id}")
    async def receive(invoice_id: str) -> Any:
        arrived.append(time.monotonic())
        return {"ok": True}

    rate, count = 10, 30
    async with (
        served(app) as url,
        start_service(
            worker="embedded", callback_allow_networks=["127.0.0.0/8"], callback_rate_per_host=rate
        ) as service,
    ):
        for number in range(count):
            await service.send({"id": f"i{number}", "customer": "C", "total": 1}, callback_url=url)
        for number in range(count):
            await pay(service, f"i{number}")
        async with asyncio.timeout(30):
            while len(arrived) < count:
                await asyncio.sleep(0.02)
    seconds = Counter(int(at - arrived[0]) for at in arrived)
    assert arrived[-1] - arrived[0] >= (count - rate) / rate - 0.5
    assert max(seconds.values()) <= 2 * rate  # one second's worth may be saved up
