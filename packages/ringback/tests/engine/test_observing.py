"""What a monitoring system hears: figures, the line of each attempt, and one trace over processes."""

import json
import logging
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from ringback import _tracing
from ringback._attempt import LINE
from ringback._metrics import Measures, Standing, exposition
from ringback._types import State
from ringback._verdict import Verdict
from ringback.testing import LocalReceiver

Shop = Any


def figures(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_figures_tell_what_was_attempted_and_what_waits(shop: Shop, receiver: LocalReceiver) -> None:
    await shop.owe("good", receiver.url)
    await shop.drain()
    receiver.behave("500")
    await shop.owe("bad", receiver.url)
    await shop.drain()
    found = figures(await shop.ringback.metrics())
    assert found['ringback_attempts_total{channel="http",outcome="delivered",answer="2xx"}'] == 1
    assert found['ringback_attempts_total{channel="http",outcome="failed",answer="5xx"}'] == 1
    assert found['ringback_attempt_seconds_count{channel="http"}'] == 2
    assert found['ringback_attempt_seconds_bucket{channel="http",le="+Inf"}'] == 2
    assert found['ringback_deliveries{state="pending"}'] == 1
    assert found["ringback_deliveries_due"] == 0
    assert found['ringback_endpoints{health="failing"}'] == 1
    assert found["ringback_worker_running"] == 1


async def test_what_is_due_and_not_taken_up_is_told(open_shop: Any, clock: Any) -> None:
    async with open_shop(running=False, worker="external") as shop:
        await shop.owe("late", "http://127.0.0.1:9")
        clock.advance(42)
        found = figures(await shop.ringback.metrics())
        assert found["ringback_deliveries_due"] == 1
        assert found["ringback_oldest_due_seconds"] == pytest.approx(42)
        assert found["ringback_worker_running"] == 0


def test_every_family_says_what_it_is_and_buckets_add_up() -> None:
    measures = Measures()
    for seconds in (0.001, 0.005, 0.3, 500.0):
        measures.attempted('a"b\\c\n', Verdict(State.PENDING, "x"), seconds)
    text = exposition(measures, Standing({"pending": 3}, 1, 0.5, 0, 0), is_delivering=False)
    for line in text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) ringback_\w+ .+|ringback_\w+(\{(\w+="[^\n]*",?)+\})? [\d.e+-]+', line
        )
    families = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(families) == len(set(families)) == 7
    buckets = [value for name, value in figures(text).items() if "_bucket" in name]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1]) == (2, 4)
    assert r'channel="a\"b\\c\n"' in text


async def test_each_attempt_is_one_line_whatever_others_have_chosen(
    shop: Shop, receiver: LocalReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ringback.attempt")
    id_ = await shop.owe("a", f"{receiver.url}/?token=secret", owner="acme\nid=forged")
    await shop.drain()
    [record] = [record for record in caplog.records if record.name == "ringback.attempt"]
    said = record.getMessage()
    assert "\n" not in said
    assert said.startswith(
        rf"id={id_} attempt=1 owner='acme\nid=forged' destination={receiver.url} state=delivered "
    )
    assert "secret" not in said
    assert isinstance(record.args, dict)
    assert json.loads(json.dumps(record.args))["status"] == 200
    assert set(record.args) == set(re.findall(r"%\((\w+)\)", LINE))


async def test_without_a_trace_nothing_is_added(shop: Shop, receiver: LocalReceiver) -> None:
    await shop.owe("a", receiver.url)
    await shop.drain()
    [request] = receiver.requests
    assert "traceparent" not in request.headers


@pytest.mark.parametrize(
    "text", ["", "00-0-0-0", f"00-{'0' * 32}-{'0' * 16}-01", f"ff-{'1' * 32}-{'1' * 16}-01"]
)
def test_what_is_no_traceparent_is_sent_as_it_is_and_begins_no_span(text: str) -> None:
    owed: Any = None
    with _tracing.attempting(owed, text) as attempt:
        attempt.ended("dead", 500, "x")
        assert attempt.traceparent == text


TRACED = textwrap.dedent(
    """
    import asyncio, json, sys
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    from fastapi import APIRouter, FastAPI
    import httpx
    from ringback import Callbacks, Ringback
    from ringback.testing import LocalReceiver

    router = APIRouter()

    @router.post("{$callback_url}")
    def notification(body: dict[str, bool]) -> None: ...

    app = FastAPI()

    @app.post("/orders", callbacks=router.routes)
    async def order(callbacks: Callbacks, callback_url: str) -> None:
        async with ringback.transaction() as session:
            await callbacks.bind(session, key="k")
            await ringback.to(session, key="k").send(notification, {"paid": True})
            await ringback.enqueue(session, "mail", {}, to="a@b.example")

    ringback = Ringback(app, database=sys.argv[1], allow_networks=["127.0.0.0/8"])

    from ringback import Outcome

    async def mail(delivery):
        with trace.get_tracer("mailer").start_as_current_span("smtp"):
            return Outcome.delivered()

    ringback.channel("mail", mail)

    async def main() -> None:
        with LocalReceiver("500", "ok", answer=None) as receiver:
            async with ringback.running():
                transport = httpx.ASGITransport(app=app)
                async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                    answer = await client.post("/orders", params={"callback_url": receiver.url})
                    answer.raise_for_status()
                await ringback.drain()
            sent = [request.headers["traceparent"] for request in receiver.requests]
        spans = [
            {
                "name": span.name,
                "trace": f"{span.context.trace_id:032x}",
                "id": f"{span.context.span_id:016x}",
                "parent": span.parent and f"{span.parent.span_id:016x}",
                "status": span.status.status_code.name,
                "kind": span.kind.name,
                "attributes": dict(span.attributes or {}),
            }
            for span in exporter.get_finished_spans()
        ]
        print(json.dumps({"sent": sent, "spans": spans}))

    asyncio.run(main())
    """
)


def test_one_trace_leads_from_the_request_to_the_receiver(sqlite_url: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TRACED, sqlite_url], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    spans = {span["name"]: span for span in told["spans"]}
    request, attempt = spans["POST /orders"], spans["deliver notification"]
    mail, smtp = spans["deliver mail"], spans["smtp"]
    assert {span["trace"] for span in (request, attempt, mail, smtp)} == {request["trace"]}
    ids = {span["id"] for span in told["spans"]}
    assert attempt["parent"] in ids, "the span in which it was made"
    assert (attempt["kind"], attempt["status"]) == ("CLIENT", "ERROR")
    assert attempt["attributes"]["http.response.status_code"] == 500
    [sent] = told["sent"]
    assert sent[:-2] == f"00-{attempt['trace']}-{attempt['id']}-"
    assert int(sent[-2:], 16) & 1, "it is sampled, and the receiver is told"
    assert (mail["kind"], smtp["parent"]) == ("CONSUMER", mail["id"])


def test_it_works_without_opentelemetry(sqlite_url: str) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None; "
        "from ringback import _tracing; print(_tracing.with_parent([]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr
