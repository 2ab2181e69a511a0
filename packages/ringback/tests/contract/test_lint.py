"""``ringback lint`` on apps, files and URLs, for people, programs and GitHub."""

import asyncio
import json
import string
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer
import yaml  # type: ignore[import-untyped]
from typer.testing import CliRunner

from ringback._contract import read_document
from ringback._errors import RingbackError
from ringback.cli._documents import load_document
from ringback.cli.lint import lint

TUTORIAL = Path(__file__).parent / "tutorial-openapi.json"
PROGRAM = (Path(__file__).parent / "programs" / "tutorial_py310.txt").read_text()

command = typer.Typer()
command.command()(lint)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to write programs in, as the working directory; what was imported is forgotten after."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_the_tutorials_document_is_corrected() -> None:
    code, text = run(str(TUTORIAL))
    assert code == 1
    assert "$callback_url and $request.body.id are no runtime expressions of OpenAPI" in text
    assert "→ Write {$request.query.callback_url}/invoices/{$request.body#/id}." in text
    assert "1 error, 2 remarks" in text


def test_yaml_is_read_as_json_is(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    document = json.loads(TUTORIAL.read_bytes())
    document["info"]["version"] = "2026-01-01"
    file.write_text(yaml.safe_dump(document).replace("'2026-01-01'", "2026-01-01"))
    code, text = run(str(file), "--format", "json")
    assert code == 1
    findings = json.loads(text)["findings"]
    assert [f["rule"] for f in findings] == ["expression-invalid", "base-optional", "automatic-422"]
    assert findings[0]["file"] == str(file)
    assert findings[0]["where"].startswith("#/paths/~1invoices~1/post/callbacks/invoice_notification/")


def test_github_gets_one_line_for_each_finding() -> None:
    code, text = run(str(TUTORIAL), "--format", "github")
    assert code == 1
    lines = text.splitlines()
    assert [line.split()[0] for line in lines] == ["::error", "::notice", "::warning"]
    assert all("title=ringback " in line for line in lines)


def test_a_url_is_fetched(module: Path) -> None:
    async def serve_and_lint() -> tuple[int, str]:
        body = TUTORIAL.read_bytes()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            found = b"GET /openapi.json " in head
            status = b"200 OK" if found else b"404 Not Found"
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(RingbackError, match="it answered 404"):
                await asyncio.to_thread(run, f"http://127.0.0.1:{port}/other")
            return await asyncio.to_thread(run, f"http://127.0.0.1:{port}/openapi.json")

    code, text = asyncio.run(serve_and_lint())
    assert code == 1
    assert "1 error, 2 remarks" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "neither JSON nor YAML"), ("[" * 100_000, "neither JSON nor YAML"), ("7", "no OpenAPI document")],
)
def test_a_file_that_is_no_document_is_said(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(content)
    with pytest.raises(RingbackError, match=message):
        run(str(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: &a [x, x]\n"
            + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(string.ascii_letters)),
            "values",
        ),
        ("a: &a {b: [*a]}\n", "alias of what it stands in"),
        # Newer versions of libyaml stop there themselves.
        ("a: " + "[" * 200_000, "nested more than 200 deep|exceeded max"),
        ("- " * 200_000, "nested more than 200 deep|exceeded max"),
    ],
)
def test_little_text_that_would_become_endless_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "openapi.yaml"
    file.write_text(text)
    with pytest.raises(RingbackError, match=message):
        run(str(file))


def test_yaml_means_what_json_means(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    file.write_text(
        "a: &x [no, 12:30, 0x10, 007, True, null, ~, 1.5e3, -2]\nb: *x\n200: {<<: {c: 2026-01-01}}\n"
    )
    values = ["no", "12:30", "0x10", "007", True, None, None, 1500.0, -2]
    assert load_document(str(file)) == {"a": values, "b": values, "200": {"c": "2026-01-01"}}


@pytest.mark.parametrize("version", ["3.0.4", "3.1.1", "3.2.0"])
def test_a_contract_of_somebody_elses_yaml_sends_and_checks(tmp_path: Path, version: str) -> None:
    file = tmp_path / "openapi.yaml"
    file.write_text(
        f"""
openapi: {version}
info: {{title: Shop, version: 1}}
paths:
  /orders:
    post:
      parameters: [{{name: hook, in: query, schema: {{type: string}}}}]
      responses: {{201: {{description: Created}}}}
      callbacks:
        paid:
          '{{$request.query.hook}}/paid':
            post:
              requestBody:
                required: true
                content: {{application/json: {{schema: &event {{type: object, required: [paid]}}}}}}
              responses: {{200: {{description: OK, content: {{application/json: {{schema: *event}}}}}}}}
"""
    )
    (contract,) = read_document(load_document(str(file)))
    assert (contract.operation, contract.callback) == ("POST /orders", "paid")
    assert contract.dump({"paid": True}).body == b'{"paid":true}'
    assert contract.check(200, [], b'{"paid":1}').breach is None
    assert contract.check(200, [], b"{}").breach == '$: "paid" is a required property'
    assert contract.check(201, [], b"{}").declared is False


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(RingbackError, match="cannot be read"):
        run("nowhere.json")
    with pytest.raises(RingbackError, match="cannot be fetched"):
        run("http://127.0.0.1:1/openapi.json")


def test_an_app_without_ringback_is_told_the_valid_spelling(module: Path) -> None:
    (module / "plain_app.py").write_text(PROGRAM)
    code, text = run("plain_app:app")
    assert code == 1
    assert "plain_app.py:26: invoice_notification" in text
    assert "Write {$request.query.callback_url}/invoices/{$request.body#/id}." in text


def test_an_app_with_ringback_is_judged_as_at_its_start(module: Path) -> None:
    ringback = "\nfrom ringback import Ringback\nRingback(app)\n"
    (module / "good_app.py").write_text(PROGRAM + ringback)
    code, text = run("good_app:app")
    assert code == 0
    assert "0 errors, 1 remark." in text
    (module / "made_app.py").write_text(PROGRAM + ringback + "def make(): return app\n")
    assert run("made_app:make", "--factory")[0] == 0
    with pytest.raises(RingbackError, match="not a FastAPI app"):
        run("made_app:make")


def test_sources_can_be_allowed(module: Path) -> None:
    program = PROGRAM.replace("{$request.body.id}", "{$url}").replace(
        "{$callback_url}", "{$request.query.callback_url}"
    )
    (module / "secret_app.py").write_text(program)
    assert run("secret_app:app")[0] == 1
    assert run("secret_app:app", "--allow", "$url")[0] == 0
    allowing = "\nfrom ringback import Ringback\nRingback(app, allow_expressions=['$url'])\n"
    (module / "allowing_app.py").write_text(program + allowing)
    assert run("allowing_app:app")[0] == 0
