"""``ringback listen`` as people and scripts run it."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ringback.cli import main
from ringback.kit.listen import open_port

PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment \\u001b]0;owned\\u0007","paid":true}'
JSON = {"content-type": "application/json"}
# What it imports is looked at when it has ended: a receiver's developer has no database.
PROGRAM = """
import atexit, sys
from ringback.cli import main
loaded = lambda: [name for name in ("sqlalchemy", "alembic", "fastapi") if name in sys.modules]
atexit.register(lambda: print(loaded(), file=sys.stderr))
main(sys.argv[1:])
"""


@asynccontextmanager
async def command(folder: Path, document: Any, *options: str) -> AsyncIterator[Any]:
    (folder / "api.json").write_text(json.dumps(document))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "listen", "api.json", "--port", "0", *options),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stderr is not None
        lines = [(await asyncio.wait_for(child.stderr.readline(), 30)).decode() for _ in range(2)]
        assert all("http://127.0.0.1:" in line for line in lines), lines
        async with httpx2.AsyncClient(trust_env=False) as client:
            yield child, *(line.split()[-1].rstrip("/") for line in lines), client
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_each_request_is_told_in_the_terminal_and_a_signal_ends_it(
    tutorial: dict[str, Any], tmp_path: Path
) -> None:
    async with command(tmp_path, tutorial, "--behave", "500,429:retry-after=30,ok") as (
        child,
        url,
        page,
        client,
    ):
        answers = [await client.post(url + PATH, content=BODY, headers=JSON) for _ in range(3)]
        await client.post(url + PATH, content=b"{}", headers=JSON)
        await client.get(f"{url}/%1b]0;owned%07")
        assert [answer.status_code for answer in answers] == [500, 429, 200]
        assert (await client.get(f"{page}/requests.json")).json()["last"] == 5
        child.send_signal(signal.SIGINT)
        told, introduced = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 0
    lines = told.decode()
    assert "POST /events/invoices/2expen51ve  invoice_notification  → 500 (500)" in lines
    assert '✗ body: $: "description" is a required property' in lines
    assert "no callback of the document  → 404 (refused)" in lines
    assert "\x1b" not in lines
    assert "\x07" not in lines
    assert "Signatures are not verified: give the secret with --secret." in introduced.decode()
    assert introduced.decode().strip().endswith("[]")


async def test_programs_get_a_line_of_json_for_each(tutorial: dict[str, Any], tmp_path: Path) -> None:
    async with command(tmp_path, tutorial, "--format", "json") as (child, url, _, client):
        await client.post(url + PATH, content=BODY, headers=JSON)
        child.terminate()
        told, _ = await asyncio.wait_for(child.communicate(), 30)
    one = json.loads(told)
    assert (child.returncode, one["right"], one["target"]) == (0, True, PATH)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--behave", "ok,perhaps"], "'perhaps' is no behaviour of a receiver"),
        (["--secret", "secret"], "A signing secret begins with whsec_"),
        (["--answer", '{"okay": 1}'], "breaks the document at $"),
        (["--jwks", "api.json"], "api.json holds no Ed25519 key"),
    ],
)
def test_a_mistake_is_told_before_anything_listens(
    options: list[str], words: str, tutorial: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "api.json").write_text(json.dumps(tutorial))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["listen", "api.json", "--port", "0", *options])
    assert ended.value.code == 1
    assert words in capsys.readouterr().err


def test_a_name_that_is_no_callback_is_wrong_usage(
    tutorial: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "api.json").write_text(json.dumps(tutorial))
    with pytest.raises(SystemExit) as ended:
        main(["listen", str(tmp_path / "api.json"), "--callback", "nobody"])
    assert ended.value.code == 2
    assert "invoice_notification" in capsys.readouterr().err.replace("\n", "")


def test_a_port_that_is_taken_is_told(
    tutorial: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "api.json").write_text(json.dumps(tutorial))
    with open_port("127.0.0.1", 0) as taken, pytest.raises(SystemExit):
        main(["listen", str(tmp_path / "api.json"), "--port", str(taken.getsockname()[1])])
    assert "Choose another one with --port" in capsys.readouterr().err.replace("\n", " ")
