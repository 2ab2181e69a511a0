"""``ringback check`` as people and CI servers run it."""

import asyncio
import json
import shlex
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import typer
from packages.ringback.tests.kit.check.wrong_receivers import DEFECTS, Receiver
from testkit.serving import served
from typer.testing import CliRunner, Result

from ringback._errors import RingbackError
from ringback._signing import new_secret
from ringback.cli.check import check
from ringback.kit._declared import choose
from ringback.kit.check import Severity, check_receiver

DYING = """
import asyncio, os, sys

sys.path.insert(0, os.getcwd())
from packages.ringback.tests.kit.check.wrong_receivers import Receiver
from testkit.serving import served

class Dying(Receiver):
    async def read(self, receive):
        body, more = b"", True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                os._exit(1)
            body, more = body + event.get("body", b""), event.get("more_body", False)
        return body

async def serve():
    async def app(scope, receive, send):
        await receiver.serve({**scope, "path": "/x" + scope["path"]}, receive, send)

    receiver = Dying(sys.argv[1])
    async with served(app) as url:
        print(url, flush=True)
        await asyncio.Event().wait()

asyncio.run(serve())
"""

ROOT = Path(__file__).resolve().parents[5]

Document = dict[str, Any]
Check = Callable[..., Awaitable[Result]]

command = typer.Typer()
command.command()(check)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("WEBHOOK_SECRET", raising=False)
    return new_secret()


@pytest.fixture
async def receiver(secret: str) -> AsyncIterator[str]:
    """A right one, and below it the wrong ones by their names."""
    kinds: dict[str, type[Receiver]] = {"right": Receiver, **DEFECTS}
    receivers = {name: make(secret) for name, make in kinds.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receivers[scope["path"].split("/")[1]].serve(scope, receive, send)

    async with served(app) as url:
        yield url


@pytest.fixture
def run(tmp_path: Path, tutorial: Document, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the command on the tutorial's document, or on one that is given."""
    monkeypatch.setenv("COLUMNS", "250")

    async def run(url: str, *arguments: str, document: Document = tutorial) -> Result:
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(document))
        words = [url, str(file), *arguments]
        result = await asyncio.to_thread(CliRunner().invoke, command, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


async def test_all_is_well(run: Check, receiver: str, secret: str) -> None:
    result = await run(f"{receiver}/right", "--secret", secret)
    assert result.exit_code == 0, result.output
    assert "0 failed that must pass, 0 that should." in result.stdout
    assert secret.removeprefix("whsec_") not in result.output


async def test_what_fails_is_told_with_the_exact_request_to_repeat(
    run: Check, receiver: str, secret: str
) -> None:
    result = await run(f"{receiver}/AnswersHtml", "--secret", secret, "--only", "event.1")
    assert result.exit_code == 1
    assert "The answer breaks the document: media type 'text/html' is not documented" in result.stdout
    [line] = [line for line in result.stdout.splitlines() if line.strip().startswith("curl ")]
    done = await asyncio.to_thread(
        subprocess.run, [*shlex.split(line), "-s"], capture_output=True, timeout=30, check=True
    )
    assert done.stdout.startswith(b"HTTP/1.1 200")
    assert done.stdout.endswith(b"<p>ok</p>")


async def test_what_it_should_do_fails_only_where_that_is_strict(
    run: Check, receiver: str, secret: str
) -> None:
    arguments = (f"{receiver}/RefusesUnknownFields", "--secret", secret, "--only", "event.*")
    lax, strict = await run(*arguments), await run(*arguments, "--strict")
    assert (lax.exit_code, strict.exit_code) == (0, 1)
    assert "! should  event.unknown-fields" in " ".join(lax.stdout.split("\n"))


async def test_json_has_each_exchange(run: Check, receiver: str, secret: str) -> None:
    arguments = ("--secret", secret, "--only", "time.*", "--format", "json")
    result = await run(f"{receiver}/BelievesTheFuture", *arguments)
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"], report["must"], report["should"]) == (1, False, 1, 0)
    [failed] = [one for one in report["results"] if one["outcome"] == "failed"]
    [flaw] = failed["flaws"]
    assert failed["name"] == "time.future"
    assert flaw["request"]["url"].endswith("/BelievesTheFuture/invoices/example")
    assert (flaw["answer"]["status"], json.loads(flaw["answer"]["body"])) == (200, {"ok": True})
    assert flaw["curl"].startswith("curl -i -X POST ")


async def test_junit_has_a_case_for_each_check(run: Check, receiver: str, secret: str) -> None:
    wrong = await run(
        f"{receiver}/ShowsItsStack", "--secret", secret, "--only", "invalid.*", "--format", "junit"
    )
    suite = Xml.fromstring(wrong.stdout)
    assert (wrong.exit_code, suite.get("failures"), suite.get("tests")) == (0, "0", str(len(suite)))
    [told] = [case for case in suite if case.get("name") == "invalid.missing.paid"]
    assert "shows a stack trace" in (told.findtext("system-out") or "")
    strict = await run(
        f"{receiver}/ShowsItsStack",
        "--secret",
        secret,
        "--only",
        "invalid.*",
        "--format",
        "junit",
        "--strict",
    )
    assert strict.exit_code == 1
    assert int(Xml.fromstring(strict.stdout).get("failures", "0")) > 0


async def test_without_a_secret_signatures_are_left_out_and_it_says_so(run: Check, receiver: str) -> None:
    open_one = await run(f"{receiver}/VerifiesOnlyWhatClaimsToBeSigned", "--only", "event.*")
    assert open_one.exit_code == 0
    assert "left out: no --secret was given" in open_one.stdout
    closed = await run(f"{receiver}/right", "--only", "[ei]*")
    assert closed.exit_code == 1
    assert "left out: no event at all was accepted, so this would tell nothing" in closed.stdout


async def test_the_secret_may_come_from_the_environment(
    run: Check, receiver: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    result = await run(f"{receiver}/right", "--only", "signature.*")
    assert result.exit_code == 0
    assert "signature.other-key" in result.stdout


async def test_values_of_the_url_can_be_given(run: Check, receiver: str, secret: str) -> None:
    arguments = ("--secret", secret, "--only", "event.*", "--format", "json")
    known = await run(f"{receiver}/KnowsPlainIdsAlone", *arguments, "--value", "id=2expen51ve")
    assert json.loads(known.stdout)["should"] == 0  # only the given one is used
    for pair, words in (("id", "is not NAME=TEXT"), ("total=1", "")):
        if words:
            result = await run(f"{receiver}/right", *arguments, "--value", pair)
            assert (result.exit_code, words in result.output) == (2, True)
        else:
            with pytest.raises(RingbackError, match="has no value 'total'; it has id"):
                await run(f"{receiver}/right", *arguments, "--value", pair)


async def test_no_callback_several_and_a_wrong_name_are_wrong_usage(
    run: Check, tutorial: Document, hostile: Document
) -> None:
    url = "http://127.0.0.1:1"
    several = await run(url, document=hostile)
    assert several.exit_code == 2
    words = " ".join(several.output.replace("│", " ").split())
    assert "declares 5 callbacks. Choose one with --callback: onData, success," in words
    unknown = await run(url, "--callback", "nosuch", document=hostile)
    assert (unknown.exit_code, "no callback 'nosuch'" in unknown.output) == (2, True)
    none = deepcopy(tutorial)
    del none["paths"]["/invoices/"]["post"]["callbacks"]
    assert "declares no callbacks" in (await run(url, document=none)).output


async def test_nobody_listening_is_told_in_a_sentence(run: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RingbackError, match=r"cannot be called: .* Start the receiver, or correct the URL"):
        await run(url)


async def test_an_only_that_is_no_check_and_a_secret_that_is_none_are_refused(
    run: Check, receiver: str, secret: str
) -> None:
    with pytest.raises(RingbackError, match=r"No check is named 'sig'"):
        await run(f"{receiver}/right", "--only", "sig")
    with pytest.raises(RingbackError, match="A signing secret begins with whsec_"):
        await run(f"{receiver}/right", "--secret", "hunter2")


async def test_nothing_is_sent_to_any_other_host(receiver: str, secret: str, tutorial: Document) -> None:
    """The document names another host, and the receiver redirects to one: neither is called."""
    strangers: list[Any] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strangers.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(stranger, "127.0.0.1", 0) as server:
        elsewhere = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def app(scope: Any, receive: Any, send: Any) -> None:
            location = [(b"location", elsewhere.encode()), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 307, "headers": location})
            await send({"type": "http.response.body", "body": b""})

        callbacks = tutorial["paths"]["/invoices/"]["post"]["callbacks"]["invoice_notification"]
        [key] = callbacks
        callbacks[f"{elsewhere}/x?id={{$request.body#/id}}"] = callbacks.pop(key)
        tutorial["servers"] = [{"url": elsewhere}]
        async with served(app) as url:
            report = await check_receiver(url, tutorial, choose(tutorial)[0], secrets=[secret], timeout=2)
    assert strangers == []
    assert "a redirect to" in report.results[0].flaws[0].reason


async def test_a_receiver_that_dies_is_told_once(secret: str, tutorial: Document, tmp_path: Path) -> None:
    """As servers do where an unhandled error ends the process: here when a caller breaks off."""
    program = tmp_path / "receiver.py"
    program.write_text(DYING)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), secret), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        url = (await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip()
        report = await check_receiver(url, tutorial, choose(tutorial)[0], secrets=[secret])
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
    [died] = [result for result in report.results if result.worst is Severity.MUST]
    assert died.name == "slow.broken-off"
    assert {result.reason for result in report.results[report.results.index(died) + 1 :]} == {
        "the receiver does not listen any more since slow.broken-off"
    }
