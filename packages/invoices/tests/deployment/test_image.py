"""The image's own build commands, run in a folder, and what the compose file then starts from it.

Docker itself is not asked for: its instructions are carried out one by one, the containers are processes.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import make_url
from testkit.deployment import ROOT, compose, image, settings_of_the_example, words
from testkit.serving import served

from invoices.demo.form import find_form

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SECONDS = 60.0
TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}


def copied(sources: list[str], goal: Path) -> None:
    for source in map(ROOT.__truediv__, sources):
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, goal)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has in /opt/invoices, made as the Dockerfile's first stage makes it."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "source"
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("INVOICES_", "UV_PROJECT"))
    }
    variables = {**kept, "UV_PROJECT_ENVIRONMENT": str(folder / "opt"), "UV_PYTHON": sys.executable}
    for name, rest in image():
        if name == "COPY" and "--from" not in rest:
            *sources, goal = rest.split()
            copied(sources, source / goal)
        elif name == "RUN" and rest.startswith("uv "):
            command = [str(ROOT / "scripts/uv"), *words(rest)[1:]]
            done = subprocess.run(
                command, cwd=source, env=variables, check=False, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
    shutil.rmtree(source)  # the second stage does not have it
    return folder / "opt"


def test_the_image_has_every_file_of_both_packages(built: Path) -> None:
    (installed,) = built.glob("lib/python*/site-packages")
    for package in ("ringback", "invoices"):
        source = ROOT / "packages" / package / "src"
        files = {path.relative_to(source) for path in (source / package).rglob("*") if path.is_file()}
        missing = {path for path in files if "__pycache__" not in path.parts} - {
            path.relative_to(installed) for path in (installed / package).rglob("*")
        }
        assert missing == set()
    assert not (installed / "pytest").exists()


async def start(
    built: Path, command: list[str], variables: dict[str, str], log: Path
) -> asyncio.subprocess.Process:
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            built / "bin" / command[0], *command[1:], env=variables, cwd=log.parent, stdout=file, stderr=file
        )


@asynccontextmanager
async def running(
    built: Path, command: list[str], variables: dict[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(built, command, variables, log)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 40) in (0, -15), log.read_text()


class Containers:
    """The compose file's services as processes of this machine."""

    def __init__(self, built: Path, folder: Path, database_url: str, site: str) -> None:
        self.built, self.folder = built, folder
        described = compose({"POSTGRES_PASSWORD": "0a1b"})["services"]
        self.services: dict[str, Any] = described
        url, example = make_url(database_url), settings_of_the_example()
        own = described["service"]["environment"]
        assert make_url(own["INVOICES_DATABASE_URL"]).host == "postgres"
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INVOICES_")},
            **own,
            "PATH": f"{built / 'bin'}:/usr/bin:/bin",
            "INVOICES_DATABASE_URL": url.set(drivername="postgresql").render_as_string(hide_password=False),
            "INVOICES_DATA_DIR": str(folder / "data"),
            "INVOICES_BASE_URL": site,
            "INVOICES_SECRET_KEY": 32 * "0a",
            "INVOICES_PAYMENTS": example["INVOICES_PAYMENTS"],
            "INVOICES_STRIPE_API_BASE": example["INVOICES_STRIPE_API_BASE"].replace(
                "http://service:8000", site
            ),
            "INVOICES_CALLBACK_ALLOW_NETWORKS": "127.0.0.0/8",
        }

    def command(self, service: str, port: int) -> list[str]:
        given: list[str] = self.services[service]["command"]
        return [str(port) if word == "8000" else word for word in given]

    async def once(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self.built / "bin" / command[0],
            *command[1:],
            env=self.variables,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
        assert process.returncode == 0, errors.decode()
        return output.decode()


def probe(port: int) -> list[str]:
    (rest,) = (rest for name, rest in image() if name == "HEALTHCHECK")
    command: list[str] = json.loads(rest[rest.index("[") :])
    return [word.replace("8000", str(port)) for word in command]


async def test_the_containers_carry_an_invoice_from_order_to_callback(
    built: Path, tmp_path: Path, postgresql_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = f"http://127.0.0.1:{port}"
    containers = Containers(built, tmp_path, postgresql_url, site)
    called: asyncio.Queue[Any] = asyncio.Queue()
    external = FastAPI()

    @external.post("/events/invoices/{invoice_id}")
    async def notified(request: Request) -> dict[str, bool]:
        called.put_nowait(await request.json())
        return {"ok": True}

    await containers.once(*containers.command("migrate", port))
    account = json.loads(await containers.once("invoices", "accounts", "create", "shop", "--json"))
    async with AsyncExitStack() as stack:
        external_url = await stack.enter_async_context(served(external))
        for service in ("service", "worker", "worker"):
            command = containers.command(service, port)
            log = tmp_path / f"{service}.log"
            await stack.enter_async_context(running(built, command, containers.variables, log))
        async with asyncio.timeout(SECONDS):
            while await (await start(built, probe(port), containers.variables, tmp_path / "probe")).wait():
                await asyncio.sleep(0.1)
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        posted = await client.post(
            f"{site}/invoices/",
            params={"callback_url": f"{external_url}/events"},
            json=TUTORIAL,
            headers={"Authorization": f"Bearer {account['api_key']}"},
        )
        assert posted.status_code == 200, posted.text
        page = posted.json()["pay_url"]
        form = find_form((await client.get(page)).text, page)
        checkout = (await client.post(form.action, data=form.fields)).headers["location"]
        decision = find_form((await client.get(checkout)).text, checkout)
        await client.post(decision.action, data=decision.pressed("decision", "approve"))
        event = await asyncio.wait_for(called.get(), SECONDS)
    assert event == {"description": "Payment celebration", "paid": True}
    workers = (tmp_path / "worker.log").read_text()
    assert len(re.findall(r"delivering from postgresql", workers)) == 2
    assert len(re.findall(r"\bstopped\b", workers)) == 2
