"""``ringback scaffold``: what it writes, what it keeps, what it refuses."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ringback._errors import RingbackError
from ringback.cli.scaffold import scaffold
from ringback.kit.scaffold import State, project_files, write_files

Run = Callable[..., tuple[int, str]]
Document = dict[str, Any]

command = typer.Typer()
command.command()(scaffold)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a document, in an empty folder, into its folder ``out``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(document: Document, *arguments: str) -> tuple[int, str]:
        Path("openapi.json").write_text(json.dumps(document))
        result = CliRunner().invoke(command, ["openapi.json", "--out", "out", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return run


def states(files: dict[str, str], folder: Path, *, force: bool = False) -> dict[str, State]:
    return {file.path: file.state for file in write_files(folder, files, force=force)}


def test_it_names_each_file_and_how_to_start(run: Run, tutorial: Document) -> None:
    code, text = run(tutorial)
    assert code == 0
    assert "new out/receiver/handlers.py" in text
    assert "WEBHOOK_SECRET=whsec_... uv run python -m receiver" in text
    readme = Path("out/README.md").read_text()
    assert "ringback scaffold openapi.json --out out" in readme
    assert "ringback check http://127.0.0.1:8001 openapi.json --secret whsec_..." in readme


def test_the_tutorials_own_spelling_gives_the_same_handlers(tutorial: Document) -> None:
    as_published = json.loads(
        json.dumps(tutorial)
        .replace("{$request.query.callback_url}", "{$callback_url}")
        .replace("{$request.body#/id}", "{$request.body.id}")
    )
    assert as_published != tutorial
    assert project_files(as_published) == project_files(tutorial)


def test_a_second_run_keeps_the_handlers_and_shows_the_difference(run: Run, tutorial: Document) -> None:
    run(tutorial)
    handlers = Path("out/receiver/handlers.py")
    mine = handlers.read_text().replace("# act here", "# and this is mine")
    handlers.write_text(mine)
    code, text = run(tutorial)
    assert code == 0
    assert handlers.read_text() == mine
    assert "--- receiver/handlers.py (yours)" in text
    assert (
        '-            logger.info("invoice_notification %s: %s", message.id, event)  # and this is mine'
        in text
    )
    assert "1 file of yours kept as shown above; --force would replace all of them." in text
    assert run(tutorial, "--force")[0] == 0
    assert "# act here" in handlers.read_text()


def test_types_follow_the_document_unless_somebody_has_changed_them(
    tutorial: Document, tmp_path: Path
) -> None:
    write_files(tmp_path, project_files(tutorial))
    newer = deepcopy(tutorial)
    newer["components"]["schemas"]["InvoiceEvent"]["properties"]["total"] = {"type": "number"}
    files = project_files(newer)
    assert states(files, tmp_path)["receiver/models.py"] is State.RENEWED
    assert "total: float | None = None" in (tmp_path / "receiver/models.py").read_text()
    assert set(states(files, tmp_path).values()) == {State.SAME}

    (tmp_path / "receiver/models.py").write_text(files["receiver/models.py"] + "# mine\n")
    [kept] = [file for file in write_files(tmp_path, project_files(tutorial)) if file.state is State.KEPT]
    assert kept.path == "receiver/models.py"
    assert "-    total: float | None = None" in kept.diff


def test_a_folder_that_is_a_file_and_a_file_that_is_no_text_are_refused_before_anything_is_written(
    tutorial: Document, tmp_path: Path
) -> None:
    files = project_files(tutorial)
    (tmp_path / "file").write_text("")
    with pytest.raises(RingbackError, match=r"file is a file\. Name a folder"):
        write_files(tmp_path / "file", files)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(RingbackError, match=r"README\.md cannot be compared"):
        write_files(tmp_path / "out", files)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["README.md"]


def test_one_of_several_callbacks_can_be_chosen(run: Run, hostile: Document) -> None:
    code, _ = run(hostile, "--callback", "success", "--callback", "subscribe.failure.delete")
    assert code == 0
    handlers = Path("out/receiver/handlers.py").read_text()
    functions = [
        node.name for node in ast.walk(ast.parse(handlers)) if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert functions == ["success", "subscribe_failure_delete"]
    assert "--callback success --callback subscribe.failure.delete" in Path("out/README.md").read_text()


def test_a_document_without_callbacks_and_a_name_that_is_none_are_wrong_usage(
    run: Run, tutorial: Document
) -> None:
    code, text = run(tutorial, "--callback", "invoice_notifications")
    assert code == 2
    assert "no callback 'invoice_notifications'. There is 'invoice_notification'." in " ".join(text.split())
    del tutorial["paths"]["/invoices/"]["post"]["callbacks"]
    code, text = run(tutorial)
    assert code == 2
    assert "declares no callbacks" in text
    assert not Path("out").exists()


def test_one_handler_serves_the_operations_that_share_a_callback(tutorial: Document) -> None:
    tutorial["paths"]["/orders/"] = deepcopy(tutorial["paths"]["/invoices/"])
    tutorial["paths"]["/orders/"]["post"]["operationId"] = "create_order"
    assert project_files(tutorial)["receiver/handlers.py"].count("@router.") == 1


def test_two_callbacks_that_no_url_tells_apart_are_refused_with_their_names(tutorial: Document) -> None:
    callbacks = tutorial["paths"]["/invoices/"]["post"]["callbacks"]
    other = deepcopy(callbacks["invoice_notification"])
    [operation] = [item["post"] for item in other.values()]
    del operation["requestBody"]
    callbacks["reminder"] = other
    with pytest.raises(
        RingbackError, match=r"'invoice_notification' and 'reminder' are both sent as POST to one URL"
    ):
        project_files(tutorial)
    assert project_files(tutorial, wanted=["reminder"])


def test_ringbacks_own_documents_let_the_path_be_checked(tutorial: Document) -> None:
    assert "check_path=False" in project_files(tutorial)["receiver/verification.py"]
    [item] = tutorial["paths"]["/invoices/"]["post"]["callbacks"]["invoice_notification"].values()
    item["post"]["x-ringback-declared"] = "{$callback_url}/invoices/{$request.body.id}"
    assert "check_path" not in project_files(tutorial)["receiver/verification.py"]


def test_nothing_of_a_hostile_document_runs(hostile: Document, tmp_path: Path) -> None:
    files = project_files(hostile)
    for path, text in files.items():
        if path.endswith(".py"):
            called = {ast.unparse(n.func) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)}
            assert not {name for name in called if "system" in name or "import" in name}, path
    assert "os" not in {
        alias.name
        for node in ast.walk(ast.parse(files["receiver/models.py"]))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize(
    "text",
    [
        *("import os", "x = f()", "class A:\n    a = [b for b in c]", "def f(): ...", "A.b", "while x: pass"),
        *(
            "class A:\n    a: list['f()']",
            "class A:\n    a: 'f()'",
            "A = int | 'f()'",
            "class A(B['f()']): ...",
        ),
        "from pydantic import Field as f\nx = g()",
    ],
)
def test_a_module_that_holds_more_than_types_is_not_written(
    text: str, tutorial: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "class InvoiceEvent: ...\nclass InvoiceEventReceived: ..."
    monkeypatch.setattr("ringback.kit.scaffold._models._generate", lambda _: f"{names}\n{text}\n")
    with pytest.raises(RingbackError, match="which is no type"):
        project_files(tutorial)


def test_without_the_generator_it_says_what_to_install(
    tutorial: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datamodel_code_generator", None)
    with pytest.raises(RingbackError, match=r"pip install 'ringback\[kit\]'"):
        project_files(tutorial)


@pytest.mark.parametrize("name", ["scaffold", "check"])
def test_the_commands_load_neither_database_nor_fastapi_nor_generator(name: str) -> None:
    program = (
        "import sys, ringback.cli\n"
        "try:\n"
        f"    ringback.cli.main(['{name}', 'nosuch.json', *sys.argv[1:]])\n"
        "except SystemExit:\n"
        "    loaded = {module.partition('.')[0] for module in sys.modules}\n"
        "    print(sorted(loaded & {'sqlalchemy', 'alembic', 'fastapi', 'datamodel_code_generator'}))\n"
    )
    arguments = ["--out", "out"] if name == "scaffold" else ["also-none.json"]
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "[]\n", ran.stderr
