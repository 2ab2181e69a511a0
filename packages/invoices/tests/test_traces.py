"""One OpenTelemetry trace from ``POST /invoices/`` through the outbox to what is delivered."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

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

    import httpx
    from invoices.app import create_app
    from invoices.settings import Settings
    from testkit.serving import served

    async def main() -> None:
        app = create_app(Settings(data_dir=sys.argv[1]))
        async with (
            served(app, lifespan="on") as url,
            httpx.AsyncClient(trust_env=False, timeout=30) as client,
        ):
            parent = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
            invoice = {"id": "1", "customer": "Ada", "total": "1"}
            answer = await client.post(f"{url}/invoices/", json=invoice, headers=parent)
            answer.raise_for_status()
            await app.state.ringback.drain()
        spans = [(span.name, f"{span.context.trace_id:032x}") for span in exporter.get_finished_spans()]
        print(json.dumps(spans))

    asyncio.run(main())
    """
)


@pytest.mark.long
def test_a_mail_belongs_to_the_trace_of_the_request_that_sent_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRACED, str(tmp_path / "data")]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    traces = dict(json.loads(ran.stdout))
    assert traces["POST /invoices/"] == traces["deliver mail"] == "ab" * 16
