import io
import json

import pytest
from rich.console import Console

from ringback.cli._output import count, output, plain, print_json, stacked, table


def shown(value: object, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(value)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[2Jgone", "\\u001b[2Jgone"),
        ("a\rb", "a\\u000db"),
        ("\u202eevil", "\\u202eevil"),
        ("bell\x07\x00", "bell\\u0007\\u0000"),
        ("[bold red]x[/]", "[bold red]x[/]"),
        ("日本 é", "日本 é"),
    ],
)
def test_text_from_outside_cannot_steer_the_terminal(hostile: str, harmless: str) -> None:
    assert shown(plain(hostile)) == harmless + "\n"


def test_what_is_too_long_is_folded_and_never_cut() -> None:
    rows = table("Id")
    rows.add_row(plain("x" * 100))
    assert shown(rows, width=30).count("x") == 100


def test_a_stack_leaves_out_empty_lines() -> None:
    assert stacked(plain("a"), plain(""), plain("b")).plain == "a\nb"


def test_a_pipe_is_wide_unless_somebody_says_how_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output().width == 200
    monkeypatch.setenv("COLUMNS", "72")
    assert output().width == 72


def test_json_has_times_that_programs_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([{"made_at": 1_800_000_000.0, "ended_at": None, "text": "é\x1b", "n": 1}])
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == [
        {"made_at": "2027-01-15T08:00:00.000Z", "ended_at": None, "text": "é\x1b", "n": 1}
    ]


def test_nouns_agree_with_their_numbers() -> None:
    counted = [count(1, "delivery"), count(1200, "delivery"), count(0, "attempt")]
    assert counted == ["1 delivery", "1,200 deliveries", "0 attempts"]
