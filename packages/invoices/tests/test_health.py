"""What machines ask: whether the service lives, whether it can work, and how it goes; and who may ask."""

from typing import Any

import pytest
from pydantic import ValidationError

from invoices.settings import Settings

TOKEN = "a-token-for-monitoring-0123456789"

Start = Any


async def test_it_lives_and_is_ready(start_service: Start) -> None:
    async with start_service(worker="embedded") as service:
        assert (await service.client.get("/healthz")).json() == {"status": "alive"}
        ready = await service.client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"status": "ready", "database": "answers", "worker": "running"}
        assert ready.headers["cache-control"] == "no-store"


async def test_it_is_not_ready_where_its_worker_has_ended(start_service: Start) -> None:
    async with start_service(worker="embedded") as service:
        assert (await service.client.get("/readyz")).status_code == 200
        await service.app.state.ringback._engine._worker.stop()
        await service.app.state.ringback.ended()
        ready = await service.client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"status": "not ready", "database": "answers", "worker": "stopped"}
        assert (await service.client.get("/healthz")).status_code == 200


async def test_workers_elsewhere_are_not_its_own(start_service: Start) -> None:
    async with start_service() as service:
        assert (await service.client.get("/readyz")).json()["worker"] == "elsewhere"


async def test_metrics_are_for_this_machine_alone(start_service: Start) -> None:
    async with start_service() as service:
        await service.send()
        shown = await service.client.get("/metrics")
        assert shown.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'ringback_deliveries{state="pending"}' in shown.text
        for headers in ({"X-Forwarded-For": "203.0.113.9"}, {"Host": "pay.example"}):
            refused = await service.client.get("/metrics", headers=headers)
            assert refused.status_code == 403
            assert "INVOICES_METRICS_TOKEN" in refused.json()["detail"]


async def test_a_token_lets_others_read_metrics(start_service: Start) -> None:
    async with start_service(metrics_token=TOKEN, guess_limit_burst=2) as service:
        proxied = {"X-Forwarded-For": "203.0.113.9"}
        assert (await service.client.get("/metrics")).status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await service.client.get("/metrics", headers=proxied | right)).status_code == 200
        wrong = {"Authorization": "Bearer é".encode()}
        tries = [(await service.client.get("/metrics", headers=wrong)).status_code for _ in range(4)]
        assert tries[0] == 401
        assert tries[-1] == 429


async def test_no_metric_names_a_customer_or_an_account(start_service: Start) -> None:
    async with start_service() as service:
        await service.send(callback_url="https://api.example/?token=t")
        shown = (await service.client.get("/metrics")).text
        assert not any(word in shown for word in ("default", "Rich", "2expen51ve", "example", "token"))


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16 characters"):
        Settings(metrics_token="x" * 15)  # type: ignore[arg-type]
