"""``ringback check`` has nothing to say about receivers that other people would write, and write rightly."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel
from standardwebhooks import Webhook, WebhookVerificationError
from testkit.serving import served

from ringback._errors import RingbackError
from ringback._signing import new_secret
from ringback.kit._declared import choose
from ringback.kit.check import Report, check_receiver

HERE = Path(__file__).parent
COMPILED = ("--strict", "--module", "nodenext", "--target", "es2022", "--types", "node")


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


def of_the_tutorial(secret: str) -> FastAPI:
    """What the tutorial asks its reader to imagine, and the verification of the package of PyPI."""
    app, webhook = FastAPI(), Webhook(secret)

    @app.post("/events/invoices/{invoice_id}")
    async def invoice_notification(
        invoice_id: str, event: InvoiceEvent, request: Request
    ) -> InvoiceEventReceived:
        try:
            webhook.verify(await request.body(), dict(request.headers))
        except (WebhookVerificationError, ValueError) as error:
            raise HTTPException(403, "The request's signature was not accepted") from error
        return InvoiceEventReceived(ok=True)

    return app


async def checked(url: str, document: dict[str, Any], secret: str, **more: Any) -> Report:
    [declared] = choose(document)
    return await check_receiver(url, document, declared, secrets=[secret], **more)


def assert_nothing_is_said(report: Report) -> None:
    assert [(r.name, f.reason) for r in report.results for f in r.flaws] == []
    assert len(report.results) > 45
    assert not any(result.reason for result in report.results)


async def test_the_tutorials_receiver_with_the_package_of_pypi(tutorial: dict[str, Any]) -> None:
    secret = new_secret()
    async with served(of_the_tutorial(secret)) as url:
        assert_nothing_is_said(await checked(f"{url}/events", tutorial, secret))


async def test_a_name_with_several_addresses_and_tls(tutorial: dict[str, Any], tmp_path: Path) -> None:
    """``localhost`` stands for ::1 too, where nobody listens."""
    secret, authority = new_secret(), trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    async with served(of_the_tutorial(secret), ssl_certfile=str(tmp_path / "server.pem")) as served_at:
        port = served_at.rpartition(":")[2]
        url = f"https://localhost:{port}/events"
        with pytest.raises(RingbackError, match="the certificate is not valid"):
            await checked(url, tutorial, secret)
        assert_nothing_is_said(await checked(url, tutorial, secret, roots=tmp_path / "ca.pem"))
    with pytest.raises(RingbackError, match=r"nosuch\.pem holds no certificates in PEM"):
        await checked(url, tutorial, secret, roots=tmp_path / "nosuch.pem")


@pytest.mark.long
async def test_a_receiver_in_typescript_with_the_package_of_npm(
    tutorial: dict[str, Any], tmp_path: Path
) -> None:
    secret = new_secret()
    shutil.copy(HERE / "receiver.ts", tmp_path)
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "this test needs Node.js (Debian: apt-get install nodejs npm)"
    assert npm, "this test needs npm, which comes with Node.js"
    packages = ["standardwebhooks@1", "typescript@5", "@types/node@20"]
    for command in (
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages],
        [str(tmp_path / "node_modules/.bin/tsc"), *COMPILED, "receiver.ts"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    child = await asyncio.create_subprocess_exec(
        *(node, "receiver.js"),
        cwd=tmp_path,
        env={"WEBHOOK_SECRET": secret, "PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        port = json.loads(await asyncio.wait_for(child.stdout.readline(), 30))["port"]
        assert_nothing_is_said(await checked(f"http://127.0.0.1:{port}/events", tutorial, secret))
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
